"""CIFAR-10's Python batches are pickles: those of Python 2, numpy 1 and numpy 2 are read, and no file can run code."""

import os
import pickle
import posixpath

import numpy
import pytest

from saddlepoint.errors import RequestError
from tests.data.formats import cifar10_python_files, python2_pickle, write_files
from tests.data.test_cifar10 import PARTS, assert_is_the_set, cifar10


def numpy1(value) -> bytes:
    return pickle.dumps(value, protocol=2).replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


DUMPS = {"python 2": python2_pickle, "numpy 1": numpy1,
         **{f"numpy 2, protocol {p}": (lambda value, p=p: pickle.dumps(value, protocol=p)) for p in range(6)}}


@pytest.mark.parametrize("dumps", DUMPS.values(), ids=DUMPS)
def test_pickles_of_every_version_are_read(tmp_path, dumps):
    write_files(tmp_path, cifar10_python_files(PARTS, dumps))
    assert_is_the_set(tmp_path)


@pytest.mark.parametrize("labels_as", [
    lambda labels: [numpy.int64(label) for label in labels],
    lambda labels: numpy.array(labels, dtype=numpy.int32),
])
@pytest.mark.parametrize("keys_as", [str, str.encode])
def test_labels_and_keys_may_be_numpys_and_bytes(tmp_path, labels_as, keys_as):
    for name, (pixels, labels) in PARTS.items():
        content = {keys_as("data"): pixels, keys_as("labels"): labels_as(labels)}
        (tmp_path / name).write_bytes(pickle.dumps(content))
    assert_is_the_set(tmp_path)


class Runs:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_a_pickle_that_runs_something_is_refused_and_runs_nothing(tmp_path, name, protocol):
    marker = tmp_path / "it ran"
    write_files(tmp_path, cifar10_python_files(PARTS))
    (tmp_path / name).write_bytes(pickle.dumps({"data": Runs(os.system, f"touch '{marker}'")}, protocol))
    with pytest.raises(RequestError, match=f"{name} is damaged: it asks for (posix|nt).system.*nothing of it was run"):
        cifar10(tmp_path).setup("fit")
    assert not marker.exists()


@pytest.mark.parametrize("function", [eval, getattr, numpy.load, numpy.memmap, posixpath.join, pickle.loads])
def test_only_what_arrays_are_made_of_can_be_named(tmp_path, function):
    write_files(tmp_path, cifar10_python_files(PARTS))
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Runs(function, "1")))
    with pytest.raises(RequestError, match="data_batch_1 is damaged: it asks for .*nothing of it was run"):
        cifar10(tmp_path).setup("fit")


def test_an_encoding_other_than_latin1_is_not_looked_up(tmp_path):
    write_files(tmp_path, cifar10_python_files(PARTS))
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.")
    with pytest.raises(RequestError, match="the encoding 'rot13', which no CIFAR file needs"):
        cifar10(tmp_path).setup("fit")
