"""One job of a sweep: what it runs, where, and what became of it."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

ENDED = ("completed", "pruned", "refused", "diverged", "failed", "killed", "hung", "stopped")  # pruned: by a search
STATES = ("waiting", "running", *ENDED)
STATE_OF_EXIT_CODE = {2: "refused", 3: "diverged", 130: "stopped", 143: "stopped"}  # saddlepoint.errors; else failed
SIDE_REMARKS = ("warning: ", "resume=auto: ")  # what a refused job said beside the refusal


@dataclass
class Job:
    """A line of summary.json"""

    number: int
    overrides: list[str]
    directory: str  # of its run; what it says stands beside it, in <directory>.log
    differs: list[str] = field(default_factory=list)  # those of its overrides that not every job has
    state: str = "waiting"
    reason: str = ""  # why it is not completed
    exit_code: int | None = None  # minus the number of a signal that killed it
    starts: int = 0
    seconds: float = 0.0  # of all its starts
    images_seen: int = 0
    budget_images: int | None = None
    images_per_second: float | None = None
    score: dict[str, Any] | None = None  # the latest: {"name", "value"}

    @property
    def log(self) -> Path:
        return Path(f"{self.directory}.log")

    @property
    def settings(self) -> str:
        return " ".join(self.differs or self.overrides)

    @property
    def seconds_left(self) -> float | None:
        if self.state != "running" or not self.budget_images or not self.images_per_second:
            return None
        return max(self.budget_images - self.images_seen, 0) / self.images_per_second

    @property
    def final_score(self) -> float | None:
        return self.score["value"] if self.score and self.state == "completed" else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judged(exit_code: int, said: Sequence[str], status: Mapping[str, Any], asked: tuple[str, str] | None,
           ) -> tuple[str, str]:
    """-> what became of a job that is over, and why. `said`: lines it printed; `status`: its status.json, empty if it
    wrote none; `asked`: the state and reason for which it was asked to end."""
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    if exit_code == 0:
        if status.get("state") == "completed":
            return "completed", ""
        return "failed", f"ended before it was complete, with exit code 0: {last or 'without a word'}"
    if asked and (asked[0] == "hung" or exit_code < 0 or STATE_OF_EXIT_CODE.get(exit_code) == "stopped"):
        return asked
    if exit_code < 0:
        return "killed", f"killed by {name_of(-exit_code)}"
    state = STATE_OF_EXIT_CODE.get(exit_code, "failed")
    if state == "refused":
        sentences = takewhile(lambda line: line != "Type instead:", said)
        return state, " ".join(line.strip() for line in sentences if line.strip() and not line.startswith(SIDE_REMARKS))
    return state, status.get("reason") or last or f"ended with exit code {exit_code}, without a word"


def name_of(number: int) -> str:
    known = {each.value: each.name for each in signal.Signals}
    return known.get(number, f"signal {number}")
