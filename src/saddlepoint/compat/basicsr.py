"""The only file that imports basicsr, the super-resolution toolbox behind ESRGAN and Real-ESRGAN.

Its last release (https://github.com/XPixelGroup/BasicSR, 2022) imports a module that torchvision 0.17 removed, so that
module is supplied during the import. The Makefile installs basicsr apart from everything else, and says why.
"""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

from saddlepoint.errors import RequestError

VERSION = "1.4.2"
FIRST_PYTHON_WITHOUT = (3, 13)  # its setup.py relies on exec() adding to locals(), which PEP 667 ended
_REMOVED = "torchvision.transforms.functional_tensor"


def module(name: str, needed_by: str = "this") -> ModuleType:
    """Returns the module basicsr.<name>, e.g. module("archs.rrdbnet_arch").RRDBNet. The first call imports all of
    basicsr and takes seconds.

    `needed_by` is the setting as typed, such as `model=esrgan`: the error begins with it if basicsr is missing."""
    if find_spec("basicsr") is None:
        raise RequestError(f"{needed_by} needs basicsr {VERSION}, {_why_missing()}")
    if "basicsr" not in sys.modules:
        _import_with_the_removed_module()
    return importlib.import_module(f"basicsr.{name}")


def _why_missing() -> str:
    if sys.version_info >= FIRST_PYTHON_WITHOUT:
        return f"which Python {sys.version_info[0]}.{sys.version_info[1]} cannot build: use Python 3.11 or 3.12"
    return ("which is not installed: type pip install setuptools wheel 'saddlepoint[super-resolution]', then "
            f"pip install --use-pep517 --no-deps --no-build-isolation basicsr=={VERSION}")


def _import_with_the_removed_module() -> None:
    """Supplies the module that basicsr takes one function from, only while it is imported; torchvision is unchanged
    afterwards."""
    from torchvision.transforms.functional import rgb_to_grayscale  # here, so that importing this file costs nothing

    supplied = ModuleType(_REMOVED)
    supplied.rgb_to_grayscale = rgb_to_grayscale
    sys.modules[_REMOVED] = supplied
    try:
        importlib.import_module("basicsr")
    finally:
        del sys.modules[_REMOVED]
