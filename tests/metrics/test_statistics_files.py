"""Files of statistics: what other programs write is read, they read what we write, and no file runs anything."""

import io
import json
import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy
import pytest
import torch
from pytorch_fid import fid_score
from torch_fidelity import metric_fid

from saddlepoint.errors import RequestError
from saddlepoint.metrics import statistics_files, statistics_pickles
from saddlepoint.metrics.frechet import frechet_distance
from saddlepoint.metrics.sums import Moments

FEATURES = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
MEAN, COVARIANCE = FEATURES.double().mean(0), FEATURES.double().T.cov()


def saved(path: Path, **arrays) -> Path:
    numpy.savez(path, **arrays)
    return path


def read(path: Path) -> statistics_files.Statistics:
    return statistics_files.read(path, f"real={path.name}")


def test_other_programs_read_what_we_write_and_find_the_same_distance(tmp_path):
    others = torch.randn(60, 5, generator=torch.Generator().manual_seed(1)) + 0.3
    for name, features in (("one", FEATURES), ("other", others)):
        statistics_files.write(tmp_path / f"{name}.npz", Moments.of(features), None, {"num_images": 60})
    stored = [fid_score.compute_statistics_of_path(str(tmp_path / f"{name}.npz"), None, 1, 5, "cpu", 0)
              for name in ("one", "other")]
    numpy.testing.assert_allclose(stored[0][0], MEAN, rtol=1e-12)
    numpy.testing.assert_allclose(stored[0][1], COVARIANCE, rtol=1e-9, atol=1e-12)
    ours, theirs = read(tmp_path / "one.npz").moments, read(tmp_path / "other.npz").moments
    distance = frechet_distance(ours.mean, ours.covariance, theirs.mean, theirs.covariance)
    assert distance == pytest.approx(fid_score.calculate_frechet_distance(*stored[0], *stored[1]), rel=1e-9)
    of_torch_fidelity = [{"mu": mean, "sigma": covariance} for mean, covariance in stored]
    found = metric_fid.fid_statistics_to_metric(*of_torch_fidelity, verbose=False)
    assert distance == pytest.approx(found["frechet_inception_distance"], rel=1e-6)


@pytest.mark.parametrize("names", [("mu", "sigma"), ("mu", "sigma", "mu_s", "sigma_s", "arr_0"), ("feats",), ("reps",)])
def test_files_of_every_family_are_read(names, tmp_path):
    content = {"mu": MEAN.numpy(), "sigma": COVARIANCE.numpy(), "mu_s": numpy.zeros(2), "sigma_s": numpy.eye(2),
               "arr_0": numpy.zeros((3, 4, 4, 3), numpy.uint8), "feats": FEATURES.numpy(), "reps": FEATURES.numpy()}
    path = saved(tmp_path / "file.npz", **{name: content[name] for name in names})
    assert statistics_files.holds_statistics(path)
    found = read(path)
    torch.testing.assert_close(found.moments.mean, MEAN, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found.moments.covariance, COVARIANCE, rtol=1e-6, atol=1e-7)
    assert (found.features is None) == ("mu" in names) and (found.spatial is not None) == ("mu_s" in names)
    assert found.moments.count == (0 if "mu" in names else 60)


def test_images_and_other_files_hold_no_statistics(tmp_path):
    images = saved(tmp_path / "images.npz", arr_0=numpy.zeros((3, 4, 4, 3), numpy.uint8))
    (tmp_path / "text.npz").write_text("mu sigma")
    others = (images, tmp_path / "text.npz", tmp_path, tmp_path / "no.npz")
    assert not any(map(statistics_files.holds_statistics, others))


def test_what_they_are_of_is_kept_and_no_file_is_left_half_written(tmp_path, monkeypatch):
    path = tmp_path / "statistics.npz"
    about = {"num_images": 60, "split": "train"}
    statistics_files.write(path, Moments.of(FEATURES), Moments.of(FEATURES[:, :2]), about)
    found = read(path)
    assert found.about == about and found.moments.count == found.spatial.count == 60
    before = path.read_bytes()
    monkeypatch.setattr(numpy, "savez", lambda file, **arrays: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        statistics_files.write(path, Moments.of(FEATURES), None, {})
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_a_mean_may_be_a_row(tmp_path):
    path = saved(tmp_path / "file.npz", mu=FEATURES[:1].numpy(), sigma=numpy.eye(FEATURES.shape[1]))
    torch.testing.assert_close(read(path).moments.mean, FEATURES[0].double())


def with_value(array: numpy.ndarray, place: tuple[int, ...], value: float) -> numpy.ndarray:
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize("arrays, words", [
    ({"mu": numpy.zeros(3)}, "has `mu` and no `sigma`: both are needed"),
    ({"mu": numpy.zeros(3), "sigma": numpy.eye(4)}, r"they are \[3\] and \[4, 4\]"),
    ({"mu": numpy.zeros((3, 3)), "sigma": numpy.eye(3)}, r"they are \[3, 3\] and \[3, 3\]"),
    ({"mu": numpy.zeros(3), "sigma": with_value(numpy.eye(3), (1, 1), numpy.nan)}, "`sigma` holds 1 numbers that"),
    ({"mu": numpy.full(3, numpy.inf), "sigma": numpy.eye(3)}, "`mu` holds 3 numbers that are not finite"),
    ({"mu": numpy.zeros(3), "sigma": with_value(numpy.eye(3), (0, 2), 0.5)}, "not symmetric"),
    ({"mu": numpy.zeros(3), "sigma": -numpy.eye(3)}, "negative variances"),
    ({"mu": numpy.array(["a", "b"]), "sigma": numpy.eye(2)}, "`mu` holds <U1, and statistics are numbers"),
    ({"mu": numpy.array([{}, 1]), "sigma": numpy.eye(2)}, "pickled Python objects, which may run any code.*"
                                                          "convert_statistics input="),
    ({"feats": numpy.zeros((1, 3), numpy.float32)}, "of two images or more"),
    ({"feats": numpy.zeros((4, 3), numpy.uint8)}, "floating-point numbers"),
    ({"reps": numpy.full((4, 3), numpy.nan)}, "its features are not all finite"),
])
def test_what_is_no_statistics_is_refused_with_the_reason(arrays, words, tmp_path):
    with pytest.raises(RequestError, match=f"(?s)real=file.npz.*{words}"):
        read(saved(tmp_path / "file.npz", **arrays))


def test_provenance_of_another_kind_is_none(tmp_path):
    written = json.dumps({"num_images": "many", "digest": 5, "split": "train"})
    path = saved(tmp_path / "file.npz", mu=numpy.zeros(3), sigma=numpy.eye(3),
                 **{statistics_files.PROVENANCE: numpy.array(written)})
    assert read(path).about == {"split": "train"}


def test_a_file_that_breaks_off_anywhere_is_refused_in_a_sentence(tmp_path):
    statistics_files.write(tmp_path / "whole.npz", Moments.of(FEATURES), None, {})
    whole, cut = (tmp_path / "whole.npz").read_bytes(), tmp_path / "cut.npz"
    for length in range(0, len(whole), 37):
        cut.write_bytes(whole[:length])
        with pytest.raises(RequestError, match="real=cut.npz cannot be read: .*Replace it with a good copy"):
            read(cut)


def test_bytes_that_were_exchanged_are_refused_or_change_nothing(tmp_path):
    statistics_files.write(tmp_path / "whole.npz", Moments.of(FEATURES), None, {})
    whole, spoilt = (tmp_path / "whole.npz").read_bytes(), tmp_path / "spoilt.npz"
    digest = read(tmp_path / "whole.npz").digest
    for place in range(0, len(whole), 29):
        spoilt.write_bytes(whole[:place] + bytes((whole[place] ^ 0xFF,)) + whole[place + 1:])
        try:
            assert read(spoilt).digest == digest
        except RequestError as refusal:
            assert "real=spoilt.npz" in str(refusal)


@pytest.mark.parametrize("name, shape", [("mu", (2**40,)), ("sigma", (2**20, 2**20)), ("feats", (2**30, 2048))])
def test_a_small_file_that_would_unpack_to_terabytes_is_refused_before_it_does(name, shape, tmp_path):
    header = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", header.getvalue() + bytes(2**20))
    with pytest.raises(RequestError, match="real=bomb.npz: its .* would unpack to"):
        read(tmp_path / "bomb.npz")


# Pickles.


@pytest.fixture
def easy_dict(monkeypatch):
    """-> a class that pickles as dnnlib.util.EasyDict does, which is not there when the pickle is read"""
    module = types.ModuleType("dnnlib.util")
    module.EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    monkeypatch.setitem(sys.modules, "dnnlib", types.ModuleType("dnnlib"))
    monkeypatch.setitem(sys.modules, "dnnlib.util", module)
    return module.EasyDict


@pytest.mark.parametrize("protocol", range(2, 6))
def test_edm2s_pickle_has_statistics_of_each_network(protocol, tmp_path, easy_dict, monkeypatch):
    part = {"mu": MEAN.numpy(), "sigma": COVARIANCE.numpy()}
    content = {"num_images": numpy.int64(60), "fid": part,
               "fd_dinov2": easy_dict(mu=numpy.zeros(2), sigma=numpy.eye(2))}
    (tmp_path / "img512.pkl").write_bytes(pickle.dumps(content, protocol))
    monkeypatch.delitem(sys.modules, "dnnlib.util")
    found = statistics_pickles.read(tmp_path / "img512.pkl")
    assert [*found] == ["fid", "fd_dinov2"]
    torch.testing.assert_close(found["fid"].moments.covariance, COVARIANCE)
    assert found["fid"].moments.count == 60 and len(found["fd_dinov2"].moments.mean) == 2


@pytest.mark.parametrize("whole", [False, True], ids=["sums", "features"])
def test_stylegans_cache_becomes_mean_and_covariance_divided_by_n(whole, tmp_path):
    exact = FEATURES.double().numpy()
    content = {"capture_all": whole, "capture_mean_cov": not whole, "max_items": None, "num_items": 60,
               "num_features": 5, "all_features": [FEATURES[:40].numpy(), FEATURES[40:].numpy()] if whole else None,
               "raw_mean": exact.sum(0), "raw_cov": exact.T @ exact}
    (tmp_path / "cache.pkl").write_bytes(pickle.dumps(content))
    found = statistics_pickles.read(tmp_path / "cache.pkl")["features"]
    torch.testing.assert_close(found.moments.mean, MEAN, rtol=1e-6, atol=1e-7)
    expected = torch.from_numpy(numpy.cov(exact.T, bias=True))
    torch.testing.assert_close(found.moments.covariance, expected, rtol=1e-6, atol=1e-7)
    assert found.about == {"of": "features", "num_images": 60, "covariance": "divided by N"}


class Runs:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("content, words", [
    (lambda path: {"fid": Runs(os.system, f"touch '{path}'")}, "asks for posix.system, which no file of statis"),
    (lambda path: {"fid": Runs(torch.load, str(path))}, "asks for torch"),
    (lambda path: [1, 2], "holds a list where a dictionary belongs"),
    (lambda path: {"fid": 3}, "holds no statistics, only fid"),
    (lambda path: {"fid": {"mu": [1], "sigma": [[1]]}}, "its `fid.mu` must be an array of numbers"),
    (lambda path: {"raw_mean": numpy.zeros(2), "raw_cov": numpy.eye(2), "num_items": 0}, "must be the number of"),
    (lambda path: {"mu": numpy.zeros(2), "sigma": numpy.eye(3)}, r"they are \[2\] and \[3, 3\]"),
    (lambda path: {"raw_mean": numpy.zeros(2), "raw_cov": numpy.eye(3), "num_items": 5}, r"are \[2\] and \[3, 3\]"),
    (lambda path: {"all_features": [numpy.zeros((2, 3)), numpy.zeros((2, 4))]}, r"shapes \[2, 3\], \[2, 4\]"),
])
def test_pickles_that_run_code_or_hold_something_else_are_refused(content, words, tmp_path):
    marker = tmp_path / "it ran"
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(content(marker)))
    with pytest.raises(RequestError, match=f"file.pkl.*{words}"):
        statistics_pickles.read(tmp_path / "file.pkl")
    assert not marker.exists()
