"""Exceptions that end a command but are not bugs: the user reads their text only, and each has its exit code."""


class EndOfRun(Exception):
    """An end of a run that is not a bug; its text is the whole message."""

    exit_code = 1
    of_all = False  # True: all processes of the run end with it, and the first one prints it
    agreed = False  # True: each process knows that all end with it; they leave together, with this exit code
    printed = False  # True: the first process has printed it already

    def _render_traceback_(self) -> list[str]:
        """Returns what a notebook shows of it, instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ProcessLost(EndOfRun):
    """One of the processes of a run died."""


class RequestError(EndOfRun):
    """A request that cannot be fulfilled. The text names the setting, its value, what it must be and what to type."""

    exit_code = 2


class RunDirectoryInUse(EndOfRun):
    """Another process writes to the run directory."""

    exit_code = 4


class Diverged(EndOfRun):
    """A loss or a gradient is no longer finite."""

    exit_code = 3
    of_all = agreed = True


class RollBack(Diverged):
    """A divergence after which the run continues from its newest checkpoint with lower learning rates.

    `lr_factor` multiplies the learning rates; this is roll-back number `count` of the run, from 1.
    """

    def __init__(self, message: str, lr_factor: float, count: int):
        super().__init__(message)
        self.lr_factor, self.count = lr_factor, count


class Collapsed(Diverged):
    """The generator makes nearly the same image of all latents."""


class Stopped(EndOfRun):
    """A signal ended the run: after a whole step and a checkpoint, or at once, if it came before or again."""

    of_all = agreed = True

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code  # 128 + the signal's number: 130 SIGINT, 143 SIGTERM


class DiskFull(EndOfRun, OSError):
    """A disk without room for a file; nothing was lost. It is an OSError too, which callers may catch as such."""

    exit_code = 5


class OutOfMemory(EndOfRun):
    """The memory of a GPU or of the machine ran out in training. The newest checkpoint is whole."""

    exit_code = 6
