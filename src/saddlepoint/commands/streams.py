"""Output streams that never fail: neither on letters that an encoding lacks, nor when their reader has gone."""

import errno
import io
import os
import sys

GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.EBADF)  # the reader (| head), the terminal
ERRORS = "backslashreplace"  # for letters that an encoding lacks, and for bytes in names that were no UTF-8

_lost: list[OSError] = []  # errors of streams that still have a reader: a full disk


class Unfailing(io.TextIOWrapper):
    """A text stream that drops its output once it cannot be written to, instead of ending the program."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._go_silent(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._go_silent(error)

    def _go_silent(self, error: OSError) -> None:
        """Redirects the stream to the null device, since the text in its buffer would be written again otherwise."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if error.errno not in GONE and not _lost:
            _lost.append(error)
            print(f"warning: {self.name} cannot be written to ({error.strerror}): what follows is not shown",
                  file=sys.stderr)


def make_unfailing() -> None:
    """Replaces stdout and stderr by unfailing streams, unless a notebook or a test has replaced them already."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed (>&-): the next opened file would get its number, and our output
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__") or isinstance(stream, Unfailing):
            continue
        setattr(sys, name, _unfailing(stream, name))
        setattr(sys, f"__{name}__", getattr(sys, name))


def lost() -> OSError | None:
    """Returns the error that lost output of this process, or None."""
    return _lost[0] if _lost else None


def _unfailing(stream: io.TextIOWrapper | None, name: str) -> Unfailing:
    if stream is None:  # it was closed when Python began
        return Unfailing(open(os.devnull, "wb"), encoding="utf-8", errors=ERRORS)  # noqa: SIM115, PTH123 for good
    encoding, by_line, at_once = stream.encoding, stream.line_buffering, stream.write_through
    stream.flush()
    return Unfailing(stream.detach(), encoding=encoding, errors=ERRORS, line_buffering=by_line, write_through=at_once)
