"""The one error that is the user's: its text is the whole message, the exit code is 2, and there is no traceback."""


class RequestError(Exception):
    """What was asked for cannot be done. The text names the setting, its value, what it must be and what to type."""
