"""Reads paths as people type them, and says why a text cannot be a path. Imports no torch."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.paths import at, changed
from saddlepoint.errors import RequestError


def expanded(typed: str | Path, setting: str) -> Path:
    """Returns the path with `~` and `~name` replaced by home folders, as a shell does. Raises a RequestError if the
    text cannot be a path."""
    typed = os.fspath(typed)
    if problem := must_be(typed):
        raise RequestError(f"{setting}={typed} must be {problem}")
    return Path(_at_home(typed))


def with_whole_paths(settings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Returns the settings with these paths, by their dotted names, as they are from any folder: what is typed alike in
    two folders may be two files."""
    typed = {name: path for name in names if (path := at(settings, name)) is not None}
    return changed(settings, {name: [_whole(each, name) for each in path] if isinstance(path, list) else
                              _whole(path, name) for name, path in typed.items()})


def _whole(typed: str, setting: str) -> str:
    return str(expanded(typed, setting).resolve())


def must_be(typed: object) -> str | None:
    """Returns what a typed path must be, or None when it is that already. Does not ask whether anything is there."""
    if not isinstance(typed, str):
        return "a path"
    if not typed.strip():
        return "a path, and it is empty, as an unset variable leaves it (. is the current folder)"
    path = _at_home(typed)
    home = typed.partition("/")[0]
    if path == typed and home == "~":
        return "a path without ~, as your home folder is not known here"
    if path == typed and typed.startswith("~") and home != typed and not os.path.lexists(home):
        return f"a path, and no user is called {home[1:]} here (./{typed} is in a folder of that name)"
    try:
        os.stat(path)  # noqa: PTH116  a Path would have to be made first
    except (FileNotFoundError, NotADirectoryError, UnicodeEncodeError):
        return None
    except ValueError:  # the character NUL
        return "a path without the character NUL"
    except OSError as error:
        return _instead(error, path)
    return None


def is_there(typed: str) -> bool:
    """Returns whether something exists at a typed path. Never raises, however odd the path."""
    return os.path.lexists(_at_home(typed)) if must_be(typed) is None else False


def _at_home(typed: str) -> str:
    """Returns the path with the home folder for ~. Like a shell, leaves `~x` as it is where no user is called x;
    Path.expanduser would raise."""
    return os.path.expanduser(typed)  # noqa: PTH111


def _instead(error: OSError, path: str) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return f"a shorter path ({error.strerror})"
    return f"a path that can be looked at here: {error.strerror or error}"
