"""Reads pickled dictionaries of arrays, as CIFAR-10, CIFAR-100 and statistics come in, without running code that a file
could contain.

A pickle is a program that may call any function it can name. Here it can only name the functions that make arrays, as
Python 2, numpy 1 and numpy 2 spell them.
"""

import io
import pickle
import struct
from collections.abc import Callable, Mapping

import numpy
from numpy._core.multiarray import _reconstruct, scalar
from numpy._core.numeric import _frombuffer

from saddlepoint.data.sources.opening import Damage

_MALFORMED = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
              OverflowError, MemoryError, struct.error)


def read_pickled_dictionary(content: bytes, what: str = "CIFAR file",
                            further: Mapping[tuple[str, str], type] | None = None) -> dict[str, object]:
    """Reads a dictionary, whose keys become str. Strings of Python 2 become str of the same bytes (latin1).

    what: the kind of file, for messages
    further: harmless classes that a file of this kind may name beside those of arrays: (module, name) -> what stands
        for it
    """
    try:
        dictionary = _ArraysOnly(content, what, further or {}).load()
    except _MALFORMED as error:
        raise Damage(f"it is not a pickle that can be read ({error})") from error
    if not isinstance(dictionary, dict):
        raise Damage(f"it holds a {type(dictionary).__name__} where a dictionary belongs")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in dictionary.items()}


def _latin1(text: str, encoding: str) -> bytes:
    """Stands for _codecs.encode(text, "latin1"), as protocol 2 writes bytes. Other encodings could run other code."""
    if encoding != "latin1":
        raise Damage(f"it asks for the encoding {encoding!r}, which no file of arrays needs")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    allowed: dict[tuple[str, str], Callable] = {
        ("numpy", "ndarray"): numpy.ndarray,
        ("numpy", "dtype"): numpy.dtype,
        ("_codecs", "encode"): _latin1,
        **{(f"numpy.{core}.{module}", function.__name__): function
           for core in ("core", "_core")
           for module, function in (("multiarray", _reconstruct), ("multiarray", scalar), ("numeric", _frombuffer))},
    }

    def __init__(self, content: bytes, what: str, further: Mapping[tuple[str, str], type]):
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._what, self._known = what, {**self.allowed, **further}

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) not in self._known:
            raise Damage(f"it asks for {module}.{name}, which no {self._what} needs; nothing of it was run")
        return self._known[module, name]
