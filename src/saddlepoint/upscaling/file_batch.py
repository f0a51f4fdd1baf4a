"""Makes a result of each of many image files, one after the other; a file that fails does not stop the others."""

import errno
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from saddlepoint.data.decoding import Unreadable
from saddlepoint.errors import DiskFull, EndOfRun, RequestError, Stopped
from saddlepoint.game.devices import is_out_of_memory
from saddlepoint.upscaling import headers, writing
from saddlepoint.upscaling.picture import Picture
from saddlepoint.upscaling.planning import Job
from saddlepoint.upscaling.progress_bar import Progress, say

Settings = Mapping[str, Any]


class FileBatch(ABC):
    """Files of which a subclass makes results, one after the other.

    settings: those of the command. `compare` says whether each job has a picture beside its result.

    `failures` has the reason for each file that failed. `bugs` has errors that no file should cause; the first of them
    is raised when all other files are done."""

    verb: ClassVar[str]  # what becomes of a file, e.g. upscaled

    def __init__(self, settings: Settings):
        self.settings = settings
        self.failures: dict[Path, str] = {}
        self.bugs: list[Exception] = []
        self.done = 0

    @abstractmethod
    def refuse(self, job: Job, size: tuple[int, int]) -> None:
        """Raises Unreadable if no result can be made of a file of this width and height."""

    @abstractmethod
    def convert(self, job: Job, progress: Progress) -> str:
        """Makes one result and returns the line to print about it."""

    def way_to_less_memory(self) -> str:
        """Returns what to type so that a job needs less memory; an empty text if nothing helps."""
        return ""

    def run(self, planned: Sequence[Job]) -> None:
        """Does all jobs. When it is interrupted or the disk is full, the error says how many are done."""
        sizes = {job: size for job in planned if (size := self.size_of(job))}
        progress = Progress(len(sizes), sum(width * height for width, height in sizes.values()))
        count_and_advice = f"of {len(planned)} done. The same command goes on with the rest"
        try:
            with self.completing():
                for job, (width, height) in sizes.items():
                    with progress.working_on(job.source.name, width * height):
                        self.attempt(job, progress)
        except KeyboardInterrupt as error:
            raise Stopped(f"Stopped by SIGINT: {self.done} {count_and_advice}", 130) from error
        except DiskFull as full:
            raise DiskFull(f"{full}: {self.done} {count_and_advice}, when there is room") from full
        finally:
            progress.close()
        self.conclude(planned)

    @contextmanager
    def completing(self) -> Iterator[None]:
        """Surrounds all attempts. A subclass whose attempts leave work behind completes it after the block."""
        yield

    @contextmanager
    def noting_failures(self, job: Job) -> Iterator[None]:
        """Catches an error within the block and notes it as the job's failure, so that the next job can follow. A full
        disk is raised, as it would stop the others too."""
        try:
            yield
        except DiskFull as full:
            if getattr(full.__cause__, "errno", None) != errno.EFBIG:  # larger than any file may be
                raise
            self.note_failure(job, str(full))
        except (Unreadable, RequestError, OSError) as error:
            self.note_failure(job, getattr(error, "strerror", None) or str(error))
        except Exception as error:
            if is_out_of_memory(error):
                self.note_failure(job, ": ".join(filter(None, ("not enough memory", self.way_to_less_memory()))))
                return
            self.bugs.append(error)
            self.note_failure(job, f"{type(error).__name__}: {error}")

    def size_of(self, job: Job) -> tuple[int, int] | None:
        """Returns an input's width and height from its header. If that shows that the job cannot be done, notes the
        failure and returns None."""
        with self.noting_failures(job):
            size = headers.size_of(job.source, headers.limits_of(self.settings))
            self.refuse(job, size)
            for path in (job.target, job.comparison)[:1 + self.settings["compare"]]:
                if path.is_dir():
                    raise Unreadable(f"its result {path} is a folder: move it, or type output= for another place")
            return size
        return None

    def note_failure(self, job: Job, reason: str) -> None:
        self.failures[job.source] = reason
        say(f"{job.source} was left out: {reason}", sys.stderr)

    def attempt(self, job: Job, progress: Progress) -> None:
        with self.noting_failures(job):
            result = self.convert(job, progress)
            self.done += 1
            say(result)

    def write(self, path: Path, picture: Picture, kind: str) -> None:
        try:
            writing.write(path, picture, kind, quality=self.settings["quality"])
        except DiskFull:
            raise
        except OSError as error:
            raise RequestError(f"its result {path} cannot be written: {error.strerror or error}") from error

    def conclude(self, planned: Sequence[Job]) -> None:
        """Raises the first bug, or an error that names the failed files; else prints how many are done."""
        failed = (f"{len(self.failures)} of {len(planned)} images could not be {self.verb}: "
                  + ", ".join(map(str, self.failures)))
        if self.bugs:
            say(failed, sys.stderr)
            raise self.bugs[0]
        self.refuse_if_all_failed(planned)
        if self.failures:
            raise EndOfRun(failed)
        if len(planned) > 1:
            say(f"{self.done} images {self.verb}")

    def refuse_if_all_failed(self, planned: Sequence[Job]) -> None:
        if len(self.failures) == len(planned):
            raise RequestError(f"None of {len(planned)} images could be {self.verb}" if len(planned) > 1 else
                               f"input={planned[0].source} could not be {self.verb}")
