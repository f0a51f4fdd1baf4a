"""Gives packages public names that are imported when they are first asked for.

`from saddlepoint.game import Trick` loads game/trick.py, and `import saddlepoint.game` loads nothing.
"""

import importlib
from collections.abc import Callable, Mapping


def lazy(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], object], list[str]]:
    """Returns a package's `__getattr__` and `__all__`. `places`: module of the package -> the names it gives, with
    spaces between them."""
    modules = {name: module for module, names in places.items() for name in names.split()}

    def look_up(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return look_up, sorted(modules)
