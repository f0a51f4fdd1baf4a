"""Values that a further command measures of a completed run, as saddlepoint-probe does: finds them in the command's
files, and calls the command where they are missing."""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from saddlepoint.claims.measures import Measure, NoValue
from saddlepoint.claims.results import COMPLETED
from saddlepoint.claims.typed_words import Words
from saddlepoint.config.overrides import overrides_in
from saddlepoint.runs import reading
from saddlepoint.runs.record import Run, scores
from saddlepoint.sweeps.naming import setting

FOLDERS = {"probe": "probes"}  # commands that may measure -> where in a run's directory they write
WITHOUT_EFFECT = ("run", "output", "overwrite", "threads", "device", "extensions")  # settings, on the values
CALL = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class CommandValue:
    """A value that a command has measured of the run as it ended, by name, e.g. error/pixels.

    command: one of FOLDERS
    settings: of the command as they are typed, without the run
    """

    command: str
    settings: Words
    name: str

    @property
    def key(self) -> str:
        return f"{self.name} by {' '.join([self.command, *self.settings])}"

    def read(self, run: Run) -> float:
        wanted = deciding(self.settings)
        for content in reading.json_files(run.path / FOLDERS[self.command]):
            found = {score.name: score.value for score in scores(content)}
            images_seen = reading.count(reading.mapping(content, "protocol"), "images_seen")
            if deciding(words_of(content)) == wanted and images_seen == run.images_seen:
                if found.get(self.name) is None:
                    raise NoValue(f"{self.command} does not measure {self.name}, only {', '.join(sorted(found))}")
                return found[self.name]
        raise NoValue(f"{self.name} was not measured: type {self.line(str(run.path))}")

    def line(self, run: str) -> str:
        """Returns the command line that measures a run."""
        return shlex.join(["python", "-m", f"saddlepoint.commands.{self.command}", f"run={run}", *self.settings])


def deciding(words: Iterable[str]) -> set[str]:
    """Returns the settings that decide what is measured, of several for one setting the last."""
    last = {setting(word): word for word in words}
    return {word for name, word in last.items() if name not in WITHOUT_EFFECT}


def words_of(content: dict) -> list[str]:
    """Returns the settings in the command line that a file records; none of what is no shell's line."""
    try:
        return overrides_in(shlex.split(reading.text(content, "command")))
    except ValueError:
        return []


def measure(runs: Iterable[tuple[Run, Sequence[Measure]]]) -> None:
    """Calls the commands whose values completed runs lack, one after the other; prints why one has failed, and goes
    on."""
    for run, measures in runs:
        wanted = [each for each in measures if isinstance(each, CommandValue)] if run.state == COMPLETED else []
        for command, settings in dict.fromkeys((each.command, each.settings) for each in wanted if lacks(run, each)):
            print(f"{command} of {run.path}", flush=True)
            call = [*CALL, f"saddlepoint.commands.{command}", f"run={run.path}", *settings, "threads=1"]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{command} of {run.path} ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}",
                      file=sys.stderr)


def lacks(run: Run, measure: CommandValue) -> bool:
    try:
        measure.read(run)
    except NoValue:
        return True
    return False
