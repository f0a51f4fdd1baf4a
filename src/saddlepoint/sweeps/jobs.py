"""Describes a job of a sweep: its settings, its directory and its state; and decides the state in which it ended."""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

ENDED = ("completed", "pruned", "refused", "diverged", "failed", "killed", "hung", "stopped")  # pruned: by a search
STATES = ("waiting", "running", *ENDED)
STATE_OF_EXIT_CODE = {2: "refused", 3: "diverged", 130: "stopped", 143: "stopped"}  # saddlepoint.errors; else failed
SIDE_REMARKS = ("warning: ", "resume=auto: ")  # how lines begin that a refused job prints beside the refusal


@dataclass
class Job:
    """A job as summary.json describes it."""

    number: int
    overrides: list[str]
    directory: str  # of its run; its output goes to <directory>.log
    differs: list[str] = field(default_factory=list)  # those of its overrides that not all jobs have
    state: str = "waiting"
    reason: str = ""  # why it is not completed
    exit_code: int | None = None  # minus the number of a signal that killed it
    starts: int = 0
    seconds: float = 0.0  # of all starts together
    images_seen: int = 0
    budget_images: int | None = None
    images_per_second: float | None = None
    score: dict[str, Any] | None = None  # the latest: {"name", "value"}

    @property
    def log(self) -> Path:
        return Path(f"{self.directory}.log")

    @property
    def settings(self) -> str:
        """Returns the overrides that distinguish the job from the others, as one text."""
        return " ".join(self.differs or self.overrides)

    @property
    def seconds_left(self) -> float | None:
        """Returns how long a running job will take to the end of its budget, or None if that is not known."""
        if self.state != "running" or not self.budget_images or not self.images_per_second:
            return None
        return max(self.budget_images - self.images_seen, 0) / self.images_per_second

    @property
    def final_score(self) -> float | None:
        """Returns the latest score of a completed job, else None."""
        return self.score["value"] if self.score and self.state == "completed" else None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def outcome(exit_code: int, output: Sequence[str], status: Mapping[str, Any], request_to_end: tuple[str, str] | None,
            ) -> tuple[str, str]:
    """Returns the state in which a job ended, and the reason.

    `output`: lines that it printed; `status`: its status.json, empty if it wrote none; `request_to_end`: state and
    reason if the sweep asked it to end.
    """
    last = next((line.strip() for line in reversed(output) if line.strip()), "")
    if exit_code == 0:
        if status.get("state") == "completed":
            return "completed", ""
        return "failed", f"ended before it was complete, with exit code 0: {last or 'without a word'}"
    if request_to_end and (request_to_end[0] == "hung" or exit_code < 0
                           or STATE_OF_EXIT_CODE.get(exit_code) == "stopped"):
        return request_to_end
    if exit_code < 0:
        return "killed", f"killed by {signal_name(-exit_code)}"
    state = STATE_OF_EXIT_CODE.get(exit_code, "failed")
    if state == "refused":
        sentences = takewhile(lambda line: line != "Type instead:", output)
        return state, " ".join(line.strip() for line in sentences if line.strip() and not line.startswith(SIDE_REMARKS))
    return state, status.get("reason") or last or f"ended with exit code {exit_code}, without a word"


def signal_name(number: int) -> str:
    """Returns the name of a signal, e.g. SIGKILL for 9."""
    names = {each.value: each.name for each in signal.Signals}
    return names.get(number, f"signal {number}")
