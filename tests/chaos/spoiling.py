"""Real checkpoints with a flipped bit, cut short, or with something else in their place: refused, named, replaced."""

import random
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint
from tests.chaos.report import Report
from tests.comparing_runs import flat


class Pair:
    """last.ckpt and last-1.ckpt of a run, copied into `folder` anew for each trial."""

    def __init__(self, run: Path, folder: Path):
        self.newest, self.before = ((run / "checkpoints" / name).read_bytes() for name in ("last.ckpt", "last-1.ckpt"))
        self.folder = folder

    def spoilt(self, spoil: Callable[[Path], object]) -> list[str]:
        """What is wrong with how the spoilt last.ckpt is met"""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        last, before = self.folder / "last.ckpt", self.folder / "last-1.ckpt"
        last.write_bytes(self.newest)
        before.write_bytes(self.before)
        spoil(last)
        return [*refused(last), *replaced(last, before), *goes_on(last, before)]


def refused(last: Path) -> list[str]:
    try:
        checkpoint.load(last)
    except RequestError as refusal:
        return [] if str(last) in str(refusal) else [f"the refusal names no file: {refusal}"]
    return ["it was loaded"]


def replaced(last: Path, before: Path) -> list[str]:
    said = StringIO()
    with redirect_stderr(said):
        content = checkpoint.newest_good(last.parent)
    problems = [] if dict(flat(content)) == dict(flat(checkpoint.load(before))) else ["another content was used"]
    silent = [path.name for path in (last, before) if str(path) not in said.getvalue()]
    return problems + [f"{name} was not named" for name in silent]


def goes_on(last: Path, before: Path) -> list[str]:
    """The next save is the newest, and the good one before it was not lost to the spoilt one."""
    good = before.read_bytes()
    checkpoint.save(last, {"images_seen": -1}, before=lambda: checkpoint.keep_newest(last.parent, 2))
    problems = [] if checkpoint.newest_good(last.parent) == {"images_seen": -1} else ["the next save is not the newest"]
    return problems + ([] if before.read_bytes() == good else ["the next save put the spoilt file over the good one"])


def flips(count: int, pair: Pair, chance: random.Random, report: Report) -> None:
    for trial in range(1, count + 1):
        place, one_bit = chance.randrange(len(pair.newest)), chance.random() < 0.5
        mask = 1 << chance.randrange(8) if one_bit else chance.randrange(1, 256)
        changed = pair.newest[:place] + bytes([pair.newest[place] ^ mask]) + pair.newest[place + 1:]
        problems = pair.spoilt(lambda last, changed=changed: last.write_bytes(changed))
        report.trial("flips", f"{trial} of {count}, byte {place:,} of {len(changed):,} xor {mask:#04x}", problems)


def truncations(count: int, pair: Pair, chance: random.Random, report: Report) -> None:
    """`count` random lengths and what else may stand there"""
    whole = len(pair.newest)
    lengths = [0, whole - 1, *(chance.randrange(1, whole - 1) for _ in range(count - 2))]
    for trial, length in enumerate(lengths, 1):
        problems = pair.spoilt(lambda last, length=length: last.write_bytes(pair.newest[:length]))
        report.trial("truncations", f"{trial} of {count}, {length:,} of {whole:,} bytes", problems)
    for what, spoil in {"zeros": lambda last: last.write_bytes(bytes(whole)), "a directory": in_a_directory,
                        "missing": Path.unlink, "longer": lambda last: last.write_bytes(pair.newest + b"\0"),
                        "twice": lambda last: last.write_bytes(2 * pair.newest)}.items():
        report.trial("truncations", what, pair.spoilt(spoil))


def in_a_directory(last: Path) -> None:
    content = last.read_bytes()
    last.unlink()
    last.mkdir()
    (last / "inner.ckpt").write_bytes(content)
