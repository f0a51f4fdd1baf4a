"""sample.py format=npz and format=zip: what other programs read in them is what the run draws."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from pytorch_fid.fid_score import ImagePathDataset
from torch_fidelity.datasets import ImagesPathDataset
from torchvision.transforms.functional import pil_to_tensor

import saddlepoint
from saddlepoint.commands import drawing
from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.data import pixels
from saddlepoint.data.evaluation_images import Block
from saddlepoint.errors import Diverged, RequestError
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import archives
from tests.composing import composed, settings
from tests.preparing.archives import images_of, labels_of, record_of
from tests.translation_runs import untrained_run

SMALL = {"dcgan_small": ("model.generator.width=4", "model.discriminator.width=4"),
         "cgan": ("model.generator.widths=[8]", "model.discriminator.widths=[8]", "model.discriminator.dropout=0")}


def run_of(path: Path, model: str, *overrides: str) -> Path:
    return untrained_run(path, settings(f"model={model}", *SMALL[model], *overrides))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("archives")
    return {"colours": run_of(home / "colours", "dcgan_small", "data=cifar10"),
            "grey": run_of(home / "grey", "dcgan_small"), "classes": run_of(home / "classes", "cgan")}


def drawn(run: Path, *overrides: str) -> Path:
    config, _ = composed(f"run='{run}'", *overrides, config="sample")
    return drawing.draw(checked_settings(OmegaConf.create(config), OF_COMMANDS["sample"]))[0]


def by_the_generator(run: Path, count: int, **choices: object) -> numpy.ndarray:
    """[N, H, W, C], in other blocks than the archive's"""
    images = saddlepoint.load_generator(run).sample(count, **choices)
    return pixels.to_bytes(images).permute(0, 2, 3, 1).numpy()


def alike(one: numpy.ndarray, other: numpy.ndarray) -> bool:
    """A convolution's rounding may depend on the batch."""
    difference = numpy.abs(one.astype(int) - other)
    return one.shape == other.shape and difference.max() <= 1 and difference.mean() < 1e-3


def as_adm_reads(path: Path, batch: int = 32) -> numpy.ndarray:
    """Reads arr_0 from within the archive a few images at a time, by its header, as ADM's evaluator does."""
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        assert "arr_0.npy" in archive.namelist()
        with archive.open("arr_0.npy") as stream:
            assert numpy.lib.format.read_magic(stream) == (1, 0)
            shape, fortran, kind = numpy.lib.format.read_array_header_1_0(stream)
            assert not fortran and kind == numpy.uint8 and shape[3] == 3
            rows = []
            for first in range(0, shape[0], batch):
                count = min(batch, shape[0] - first)
                content = stream.read(count * int(numpy.prod(shape[1:])))
                rows.append(numpy.frombuffer(content, kind).reshape(count, *shape[1:]))
    return numpy.concatenate(rows)


def test_adms_evaluator_reads_the_images_that_the_run_draws(runs, capsys):
    path = drawn(runs["colours"], "format=npz", "count=70", "seed=3")
    assert alike(as_adm_reads(path), by_the_generator(runs["colours"], 70, seed=3))
    assert path == runs["colours"] / "drawn" / "last_seed3_count70.npz"
    assert f"70 images: {path} (" in capsys.readouterr().out
    with numpy.load(path, allow_pickle=False) as arrays:
        assert arrays.files == ["arr_0", "saddlepoint"] and numpy.array_equal(arrays["arr_0"], as_adm_reads(path))
        record = json.loads(str(arrays["saddlepoint"]))
    assert (record["seed"], record["images"], record["ema"], record["images_seen"]) == (3, 70, False, 0)


def test_grey_is_repeated_for_adm_and_stays_grey_for_stylegan(runs):
    array, archive = (drawn(runs["grey"], f"format={kind}", "count=5") for kind in ("npz", "zip"))
    images = images_of(archive)
    assert images.shape == (5, 32, 32, 1) and alike(images, by_the_generator(runs["grey"], 5))
    assert numpy.array_equal(as_adm_reads(array), images.repeat(3, axis=3))


def test_classes_are_those_of_training(runs):
    array, archive = (drawn(runs["classes"], f"format={kind}", "count=66") for kind in ("npz", "zip"))
    expected = saddlepoint.load_generator(runs["classes"]).labels_of_images(0, 0, 66)
    assert labels_of(archive).tolist() == expected.tolist() and len({*expected.tolist()}) > 3
    with numpy.load(array) as arrays:
        assert arrays["arr_1"].dtype == numpy.int64 and arrays["arr_1"].tolist() == expected.tolist()
    assert record_of(archive)["class_names"] == [*map(str, range(10))]


def test_one_class_is_drawn_of_the_same_latents(runs):
    path = drawn(runs["classes"], "output=three.zip", "count=20", "class=3", "seed=2")
    assert labels_of(path).tolist() == [3] * 20 and record_of(path)["class"] == "3"
    assert alike(images_of(path), by_the_generator(runs["classes"], 20, seed=2, labels=3))


def test_other_programs_read_the_unpacked_archive(runs, tmp_path):
    path = drawn(runs["colours"], "output=samples.zip", "count=3")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    files = sorted((tmp_path / "unpacked").rglob("*.png"))
    images = torch.from_numpy(images_of(path)).permute(0, 3, 1, 2)
    assert torch.equal(torch.stack([*ImagesPathDataset([*map(str, files)])]), images)
    assert torch.equal(torch.stack([*ImagePathDataset(files, pil_to_tensor)]), images)
    assert Image.open(io.BytesIO(files[0].read_bytes())).format == "PNG"


def test_the_same_request_gives_the_same_bytes_and_replaces_nothing_unasked(runs):
    for kind in ("npz", "zip"):
        first = drawn(runs["classes"], f"output=a.{kind}", "count=5").read_bytes()
        assert drawn(runs["classes"], f"output=b.{kind}", "count=5").read_bytes() == first
        with pytest.raises(RequestError, match=f"a.{kind} exists"):
            drawn(runs["classes"], f"output=a.{kind}", "count=6")
        assert Path(f"a.{kind}").read_bytes() == first


class Streamed:
    """Images that look, when each block is asked for, at what is on disk of those before it."""

    count = 64 * 4

    def __init__(self, folder: Path):
        self.folder, self.sizes = folder, []

    def blocks(self) -> Iterator[tuple[int, Block]]:
        for first in range(0, self.count, 64):
            self.sizes += [sum(path.stat().st_size for path in self.folder.iterdir())]
            yield first, Block(torch.full((64, 3, 32, 32), first, dtype=torch.uint8), torch.zeros(64).long(), {})


@pytest.mark.parametrize("kind", ["npz", "zip"])
def test_images_are_on_disk_before_the_next_ones_are_drawn(kind, tmp_path):
    images = Streamed(tmp_path / "out")
    images.folder.mkdir()
    archives.WRITERS[kind](images.folder / f"a.{kind}", images, False, {})
    assert all(later - earlier > 0.9 * 64 * 32 * 32 * 3 for earlier, later in
               zip(images.sizes[1:], images.sizes[2:], strict=False)) and len(images.sizes) == 4
    assert [path.name for path in images.folder.iterdir()] == [f"a.{kind}"]


def test_a_generator_that_has_diverged_leaves_no_file(runs, tmp_path):
    saved = checkpoint.load(runs["grey"] / "checkpoints" / "last.ckpt")
    for value in saved["module"].values():
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            value.mul_(float("nan"))
    checkpoint.save(tmp_path / "nan.ckpt", saved)
    with pytest.raises(Diverged):
        drawn(tmp_path / "nan.ckpt", "output=nan.npz", "count=3")
    assert [path.name for path in Path().iterdir()] == ["nan.ckpt"]


@pytest.mark.parametrize(("typed", "why"), [
    (["format=npz", "interpolate=[1,2]"], "format=npz is the images of a seed .* interpolate= is of pictures"),
    (["format=zip", "files=true", "columns=3"], "columns=, files= are of pictures and films: leave columns=, files="),
    (["output=x.npz", "class=all"], "class=all lays out a grid, and format=npz has images of every class"),
    (["format=zip", "output=x.npz"], r"output=\S*x.npz must be a ZIP file: type output=\S*x.zip"),
    (["format=npz", "output=x"], r"output=\S*x must be an NPZ file: type output=\S*x.npz"),
    (["format=npz", "class=3"], "class=3: this run's generator takes no classes"),
    (["device=gpu"], "device=gpu is of format=npz and format=zip"),
    (["format=npz", "upscale=realesrgan_x4plus"], "upscale= is of pictures and films"),
])
def test_what_is_no_archive_is_refused_in_a_sentence(runs, typed, why):
    with pytest.raises(RequestError, match=why):
        drawn(runs["grey"], *typed)
    assert not [*Path().iterdir()]
