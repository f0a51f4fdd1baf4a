"""Public names of packages that are imported on first use.

`from saddlepoint.game import Trick` loads game/trick.py, and `import saddlepoint.game` loads nothing.
"""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazy(package: str, places: Mapping[str, str],
         ) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Returns a package's `__getattr__`, `__dir__` and `__all__`.

    `places` has the public names of each module of the package, separated by spaces.
    """
    modules = {name: module for module, names in places.items() for name in names.split()}

    def look_up(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return look_up, names, sorted(modules)
