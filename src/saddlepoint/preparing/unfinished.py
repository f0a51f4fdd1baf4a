"""Keeps an archive that is being made on disk in such a way that a killed program can go on with it.

Beside FILE.zip there is the hidden .FILE.zip.unfinished, to which images are appended, and a journal with a line for
every few seconds of work: which source files are done, and where the images made of them lie. What was written after
the last line is cut off. A source file is left out or becomes the next image, in their order, so the finished archive
has the same bytes however often it was interrupted."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import filelock

from saddlepoint.errors import RequestError
from saddlepoint.files import disk_space
from saddlepoint.files.names import shorten
from saddlepoint.files.stored_zip import Member, StoredZip
from saddlepoint.preparing.image_zip import ImageZip, Label

SECONDS = 3.0  # of work between two lines of the journal


@dataclass
class Progress:
    """What became of the source files so far, which are known by their numbers."""

    done: int = 0  # files that were looked at
    members: list[tuple[int, Member]] = field(default_factory=list)  # file, its image in the archive
    left_out: list[tuple[int, str]] = field(default_factory=list)  # file, why

    @property
    def end(self) -> int:
        """Where the last image ends in the archive, in bytes."""
        return self.members[-1][1].end if self.members else 0

    def as_line(self) -> dict[str, Any]:
        """Returns a line of the journal."""
        return {"done": self.done, "images": [[file, *member] for file, member in self.members],
                "left_out": self.left_out}

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> "Progress":
        return cls(line["done"], [(file, Member(*member)) for file, *member in line["images"]],
                   [(file, reason) for file, reason in line["left_out"]])

    def add(self, later: "Progress") -> None:
        self.done = later.done
        self.members += later.members
        self.left_out += later.left_out


class UnfinishedZip:
    """An archive in the making, to be used in `opened`.

    target: the file that it becomes
    recipe: what its images follow from, as JSON; an archive that was begun by another one is begun anew
    ending: of the images' names, e.g. png
    labels: of the source files; None: they have none
    """

    def __init__(self, target: Path, recipe: Mapping[str, Any], ending: str, labels: Sequence[Label] | None):
        self.target, self.recipe, self.ending, self.labels = target, json.loads(json.dumps(recipe)), ending, labels
        self.images, self.journal, self.lock = (beside(target, kind) for kind in (".unfinished", ".journal", ".lock"))
        self.noted, self.new = Progress(), Progress()  # what the journal says, and what came after it

    @contextmanager
    def opened(self) -> Iterator["UnfinishedZip"]:
        """Opens the archive, where it was begun before at its end. It becomes `target` when the block ends. An error in
        the block leaves it to be gone on with, unless it is a RequestError."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.lock, self.target), disk_space.report_full_disk(self.target):
            self.noted, length = self._read_journal()
            self.new = Progress(self.noted.done)
            with _opened_at(self.images, self.noted.end) as self.stream, \
                    _opened_at(self.journal, length) as self.lines:
                if not length:
                    self._write_line({"recipe": self.recipe})
                with StoredZip(self.stream, [member for _, member in self.noted.members]) as archive:
                    self.zip = ImageZip(archive, self.ending, [self._label(file) for file, _ in self.noted.members])
                    self.time_of_line = time.monotonic()
                    try:
                        yield self
                    except RequestError:  # to go on would come to the same
                        self.images.unlink()
                        self.journal.unlink()
                        raise
                    except BaseException:
                        with suppress(OSError):  # of a full disk, say, which the block met as well
                            self._note()
                        raise
                _flush(self.stream)
            self.images.replace(self.target)
            self.journal.unlink()

    @property
    def done(self) -> int:
        """How many source files were looked at."""
        return self.new.done

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.zip.labels)

    @property
    def left_out(self) -> list[tuple[int, str]]:
        """The source files that were left out, with the reasons."""
        return self.noted.left_out + self.new.left_out

    def add(self, content: bytes) -> None:
        """Appends the image that was made of the next source file."""
        file = self.new.done
        self.new.members.append((file, self.zip.add(content, self._label(file))))
        self._count()

    def leave_out(self, reason: str) -> None:
        """Leaves the next source file out."""
        self.new.left_out.append((self.new.done, reason))
        self._count()

    def finish(self, record: Mapping[str, Any]) -> None:
        """Appends what stands in the archive beside its images."""
        self.zip.finish(record)

    def _count(self) -> None:
        self.new.done += 1
        if time.monotonic() - self.time_of_line >= SECONDS:
            self._note()

    def _label(self, file: int) -> Label | None:
        return None if self.labels is None else self.labels[file]

    def _note(self) -> None:
        """Writes a line of the journal, once the images that it speaks of are on disk."""
        _flush(self.stream)
        self._write_line(self.new.as_line())
        self.noted.add(self.new)
        self.new, self.time_of_line = Progress(self.new.done), time.monotonic()

    def _write_line(self, content: Mapping[str, Any]) -> None:
        self.lines.write(json.dumps(content).encode() + b"\n")
        _flush(self.lines)

    def _read_journal(self) -> tuple[Progress, int]:
        """Returns what was done before by the same recipe, and the length of the journal that says so, in bytes."""
        progress, length = Progress(), 0
        try:
            lines, size = self.journal.read_bytes().splitlines(keepends=True), self.images.stat().st_size
            for line in lines:
                content = json.loads(line)
                if length:
                    later = Progress.of_line(content)
                    if later.end > size:
                        break
                    progress.add(later)
                elif content["recipe"] != self.recipe:
                    break
                length += len(line)
        except (OSError, ValueError, KeyError, TypeError):  # there is none, or its last line was being written
            pass
        return progress, length


def beside(target: Path, kind: str) -> Path:
    """Returns a hidden file beside the target that is called like it."""
    return target.with_name(f".{shorten(target.name, added=len(kind) + 1)}{kind}")


@contextmanager
def _locked(lock: Path, target: Path) -> Iterator[None]:
    try:
        with filelock.FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except filelock.Timeout as error:
        raise RequestError(f"output={target} is being written by another process: wait for it, or choose another "
                           "file") from error


@contextmanager
def _opened_at(path: Path, end: int) -> Iterator[BinaryIO]:
    """Opens a file for writing at a place, behind which nothing is left. Makes it if it is not there."""
    with path.open("r+b" if end else "wb") as stream:
        stream.truncate(end)
        stream.seek(end)
        yield stream


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
