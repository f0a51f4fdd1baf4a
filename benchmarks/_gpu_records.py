"""Runs the checks of gpu.py one after the other and writes down what comes out, whatever happens to one of them."""

import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from _gpu_cases import Case, Machine, Outcome, Skipped

Check = Callable[[Machine], Iterator[Case]]

NO_TIME = "no time was left: type a larger seconds="


class Records:
    """Keeps one record for each case: a line of results.jsonl, a line on the screen and a row of summary.md.

    Everything is written at once, since a machine may be taken away before the checks end.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]):
        self.folder, self.about, self.records = folder, about, []
        self.started, self.screen = time.monotonic(), sys.stdout

    def add(self, check: str, case: str, outcome: str, seconds: float, **more: Any) -> None:
        """outcome: passed, failed, measured, skipped or error"""
        record = {"check": check, "case": case, "outcome": outcome, "seconds": round(seconds, 1),
                  "at": round(time.monotonic() - self.started, 1)} | more
        self.records.append(record)
        with (self.folder / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, default=str) + "\n")
        (self.folder / "summary.md").write_text(self.summary(), encoding="utf-8")
        title = f"{check}, {case}" if case else check
        print(f"{record['at']:6.1f} s  {title}: {outcome} ({details(record)})", file=self.screen, flush=True)

    def count(self, outcome: str) -> int:
        return sum(record["outcome"] == outcome for record in self.records)

    def summary(self) -> str:
        """Shows all records as a Markdown table, under what they were measured on."""
        counts = ", ".join(f"{self.count(outcome)} {word}" for outcome, word in WORDS.items())
        rows = [" | ".join(("", *map(cell, (record["check"], record["case"], record["outcome"], details(record),
                                            f"{record['seconds']:.1f}")), "")).strip() for record in self.records]
        return "\n".join([
            "# GPU checks of saddlepoint", "",
            *(f"- {name}: {value}" for name, value in self.about.items()),
            f"- {counts}, in {self.records[-1]['at'] if self.records else 0:.0f} s", "",
            "| check | case | outcome | measured | seconds |", "|---|---|---|---|---:|", *rows, ""])


WORDS = {"passed": "passed", "failed": "failed", "measured": "measured without a verdict", "skipped": "skipped",
         "error": "ended by an error"}


def details(record: Mapping[str, Any]) -> str:
    """Puts the numbers of a record, or why it has none, in one line."""
    if "reason" in record:
        return record["reason"]
    return "; ".join(f"{name}: {readable(value)}" for name, value in record["measured"].items())


def readable(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def run(checks: Mapping[str, Check], machine: Machine, records: Records) -> None:
    """Runs every check until the machine's deadline. What they print goes to output.log."""
    with (records.folder / "output.log").open("a", encoding="utf-8") as log, redirect_stdout(log), redirect_stderr(log):
        for name, check in checks.items():
            attempt(name, machine, records, check)


def attempt(name: str, machine: Machine, records: Records, check: Check) -> None:
    """Runs all cases of a check. The check itself may fail before its first case, e.g. where it prepares images."""
    started = time.monotonic()
    if machine.seconds_left() <= 0:
        records.add(name, "", "skipped", 0.0, reason=NO_TIME)
        return
    try:
        for case, function in check(machine):
            attempt_case(name, case, machine, records, function)
    except (Exception, SystemExit) as error:  # whatever it is, the checks that follow must still run
        records.add(name, "", "error", time.monotonic() - started, **described(error))


def attempt_case(name: str, case: str, machine: Machine, records: Records, function: Callable[[], Outcome]) -> None:
    started = time.monotonic()
    if machine.seconds_left() <= 0:
        records.add(name, case, "skipped", 0.0, reason=NO_TIME)
        return
    try:
        outcome = function()
    except Skipped as error:
        records.add(name, case, "skipped", time.monotonic() - started, reason=str(error))
    except (Exception, SystemExit) as error:  # as above
        records.add(name, case, "error", time.monotonic() - started, **described(error))
    else:
        verdict = {None: "measured", True: "passed", False: "failed"}[outcome.passed]
        records.add(name, case, verdict, time.monotonic() - started, measured=outcome.measured)


def described(error: BaseException) -> dict[str, Any]:
    """-> the error in one line and where it was raised; output.log gets all of it"""
    traceback.print_exception(error)  # to standard error, which run() has turned to output.log
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return {"reason": f"{type(error).__name__}: {error}"[:400],
            "where": [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]}
