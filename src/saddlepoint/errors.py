"""Ends of a run that are not bugs: their text is the whole message, there is no traceback, each has its exit code."""


class EndOfRun(Exception):
    exit_code = 1
    of_all = False  # all processes of a run end so, and the first one says it
    agreed = False  # all know that all do: they leave together, with this exit code
    said = False  # by the first, before any of them left


class ProcessLost(EndOfRun):
    """Of several processes one died."""


class RequestError(EndOfRun):
    """What was asked for cannot be done. The text names the setting, its value, what it must be and what to type."""

    exit_code = 2


class RunDirectoryInUse(EndOfRun):
    exit_code = 4


class Diverged(EndOfRun):
    """A loss or a gradient stopped being finite."""

    exit_code = 3
    of_all = agreed = True


class RollBack(Diverged):
    """The same, where the run shall go on from its newest checkpoint, for the `count`-th time, with learning rates
    `lr_factor` times as high as they are."""

    def __init__(self, message: str, lr_factor: float, count: int):
        super().__init__(message)
        self.lr_factor, self.count = lr_factor, count


class Collapsed(Diverged):
    """The generator makes nearly the same picture of every latent."""


class Stopped(EndOfRun):
    """A signal asked for the end; a checkpoint was written."""

    of_all = agreed = True

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code  # 128 + the signal's number: 130 SIGINT, 143 SIGTERM


class DiskFull(EndOfRun, OSError):
    """No room for a file, and nothing was lost. An OSError too, for those who can do without the file."""

    exit_code = 5
