"""What was tried and what came of it: a line for each trial, sums at the end."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence


class Report:
    """Trials may come from several threads."""

    def __init__(self, say: Callable[[str], object] = lambda line: print(line, flush=True)):
        self.say, self.lock, self.started = say, threading.Lock(), time.monotonic()
        self.trials: Counter[str] = Counter()  # by part
        self.found: Counter[str] = Counter()
        self.problems: list[str] = []

    def trial(self, part: str, what: str, problems: Sequence[str], found: Sequence[str] = ()) -> None:
        """`found`: what is worth counting, e.g. in which phases a run was killed"""
        with self.lock:
            self.trials[part] += 1
            self.found.update(f"{part}: {each}" for each in found)
            self.problems += [f"{part}, {what}: {problem}" for problem in problems]
            came_of_it = f"FAILED: {'; '.join(problems)}" if problems else "good"
            self.say(f"{time.monotonic() - self.started:6.0f} s  {part:<11}  {what}: {came_of_it}")

    def summary(self) -> str:
        lines = [f"{part}: {count} trials, {sum(each.startswith(part) for each in self.problems)} problems"
                 for part, count in self.trials.items()]
        lines += [f"  {what}: {count}" for what, count in sorted(self.found.items())]
        return "\n".join(lines + [f"PROBLEM {problem}" for problem in self.problems])
