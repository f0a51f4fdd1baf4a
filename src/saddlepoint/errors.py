"""Ends of a run that are not bugs: their text is the whole message, there is no traceback, each has its exit code."""


class EndOfRun(Exception):
    exit_code = 1


class RequestError(EndOfRun):
    """What was asked for cannot be done. The text names the setting, its value, what it must be and what to type."""

    exit_code = 2


class RunDirectoryInUse(EndOfRun):
    exit_code = 4


class Diverged(EndOfRun):
    """A loss stopped being finite."""

    exit_code = 3


class Stopped(EndOfRun):
    """A signal asked for the end; a checkpoint was written."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code  # 128 + the signal's number: 130 SIGINT, 143 SIGTERM
