"""Made shapes against their volumes, files of voxels in every form that is read, and refusals of those that are not."""

import math

import numpy
import pytest
import torch

from saddlepoint.data import made_shapes
from saddlepoint.data.voxel_files import files_in, read_voxels
from saddlepoint.data.voxels import MadeVoxels, VoxelFiles
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import VoxelBatch

SIZE, HALF = 0.95, torch.tensor([0.5, 0.5, 0.5])
PLACES = 2 * torch.rand(300_000, 3, generator=torch.Generator().manual_seed(0)) - 1


def share(kind: str, shares: torch.Tensor = HALF, turn: torch.Tensor | None = None) -> float:
    """-> how much of the cube [-1, 1]^3 a shape takes"""
    places = PLACES if turn is None else PLACES @ turn
    return 8 * made_shapes.KINDS[kind](places, SIZE, shares).double().mean().item()


@pytest.mark.parametrize(("kind", "volume"), [
    ("ball", 4 / 3 * math.pi * (0.85 * SIZE) ** 3),
    ("box", 8 * (SIZE / math.sqrt(3)) ** 3),  # all edges equal
    ("torus", 2 * math.pi**2 * (SIZE - 0.3 * SIZE) * (0.3 * SIZE) ** 2),
    ("cross", (3 * 0.275**2 - 2 * 0.275**3) * (2 * SIZE / math.sqrt(1 + 2 * 0.275**2)) ** 3),
    ("cylinder", math.pi * 0.5**2 * 2 * (SIZE / math.sqrt(1 + 0.5**2)) ** 3),
])
def test_shapes_have_their_volume_however_they_are_turned(kind, volume):
    assert share(kind) == pytest.approx(volume, rel=0.03)
    for numbers in (torch.tensor([0.1, 0.2, 0.7]), torch.tensor([0.8, 0.55, 0.3])):
        assert share(kind, turn=made_shapes.rotation("any", numbers)) == pytest.approx(volume, rel=0.03)


@pytest.mark.parametrize("kind", made_shapes.KINDS)
def test_a_shape_reaches_as_far_as_its_size_and_so_stays_in_its_cube(kind):
    for shares in torch.rand(4, 3, generator=torch.Generator().manual_seed(1)):
        farthest = PLACES[made_shapes.KINDS[kind](PLACES, SIZE, shares)].norm(dim=1).max()
        assert 0.84 * SIZE < farthest <= SIZE + 1e-6


@pytest.mark.parametrize("kind", made_shapes.ROTATIONS)
def test_rotations_keep_lengths_and_hands(kind):
    for seed in range(3):
        turn = made_shapes.rotation(kind, torch.rand(3, generator=torch.Generator().manual_seed(seed))).double()
        torch.testing.assert_close(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
        assert torch.linalg.det(turn).item() == pytest.approx(1)
        assert (kind == "any") or turn[1, 1] == 1  # the height stays


def test_a_shape_depends_on_its_seed_and_number_alone_and_is_never_empty():
    shapes, labels = made_shapes.draw_shapes(16, tuple(made_shapes.KINDS), "vertical", seed=3, count=30)
    fewer, their_labels = made_shapes.draw_shapes(16, tuple(made_shapes.KINDS), "vertical", seed=3, count=8)
    others, _ = made_shapes.draw_shapes(16, tuple(made_shapes.KINDS), "vertical", seed=4, count=8)
    assert torch.equal(shapes[:8], fewer) and torch.equal(labels[:8], their_labels)
    assert not torch.equal(others, fewer)
    assert {*shapes.unique().tolist()} == {0, 255} and {*labels.tolist()} == {*range(5)}
    assert (shapes > 0).flatten(1).sum(1).min() > 16


def made(**more) -> MadeVoxels:
    return MadeVoxels(**{"name": "made_voxels", "edge": 8, "batch_size": 4, "num_shapes": 12} | more)


def test_a_stream_of_made_shapes_goes_on_where_it_was():
    whole, rest = made(num_classes=5, seed=1), made(num_classes=5, seed=1)
    whole.setup()
    rest.setup()
    rest.start_at(16)
    batches = iter(whole.train_dataloader())
    for _ in range(4):
        next(batches)
    for ours, theirs in zip(next(batches), next(iter(rest.train_dataloader())), strict=True):
        assert torch.equal(ours, theirs)
    batch = whole.on_after_batch_transfer(next(batches), 0)
    assert isinstance(batch, VoxelBatch) and batch.real.shape == (4, 1, 8, 8, 8)
    assert {*batch.real.unique().tolist()} <= {0.0, 1.0}
    assert whole.identity()["classes"].keys() == {*made_shapes.KINDS}
    assert made(num_classes=5, seed=2).identity() == whole.identity()  # the order is another, the shapes are not
    assert made(num_classes=5, shapes_seed=1).identity() != whole.identity()


SHAPES = numpy.random.default_rng(0).random((5, 6, 6, 6)) > 0.5
FORMS = {
    "bool": SHAPES, "zeros and ones": SHAPES.astype(numpy.uint8), "long zeros and ones": SHAPES.astype(numpy.int64),
    "levels": SHAPES.astype(numpy.uint8) * 255, "floats": SHAPES.astype(numpy.float32),
    "with an axis": SHAPES[:, None], "doubles": SHAPES.astype(numpy.float64)}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_shapes_is_read_as_the_same(form, tmp_path):
    numpy.save(tmp_path / "shapes.npy", FORMS[form])
    read = read_voxels([tmp_path / "shapes.npy"], None, 8)
    expected = numpy.pad(SHAPES, ((0, 0), (1, 1), (1, 1), (1, 1)))[:, None] * numpy.uint8(255)
    numpy.testing.assert_array_equal(read.numpy(), expected)


def test_floats_between_empty_and_full_are_levels(tmp_path):
    numpy.save(tmp_path / "shapes.npy", numpy.full((4, 4, 4), 0.4, numpy.float32))
    assert read_voxels([tmp_path / "shapes.npy"], None, 4).unique().tolist() == [102]


def test_a_folder_is_all_of_its_files_in_the_order_of_their_names(tmp_path):
    numpy.save(tmp_path / "b.npy", SHAPES[4])  # one shape
    numpy.savez(tmp_path / "a.npz", names=numpy.arange(4), voxels=SHAPES[:4])
    numpy.savez_compressed(tmp_path / "c.npz", one=SHAPES[:2], two=SHAPES[2:])
    with pytest.raises(RequestError, match=r"does not say which array has the voxels .*type data.array=NAME"):
        read_voxels(files_in(tmp_path, "data.root"), None, 6)
    (tmp_path / "c.npz").unlink()
    data = VoxelFiles("voxels", str(tmp_path), 6, 2)
    numpy.testing.assert_array_equal(data.read()[0][:, 0].numpy(), SHAPES * numpy.uint8(255))
    assert data.describe() == [f"data: 5 shapes of data.root={tmp_path}, 6 x 6 x 6 voxels"]


@pytest.mark.parametrize(("content", "message"), [
    (numpy.zeros((4, 4)), r"has the shape \[4, 4\], and voxels are \[N, D, H, W\]"),
    (numpy.zeros((2, 3, 4, 4, 4)), r"has the shape \[2, 3, 4, 4, 4\]"),
    (numpy.zeros((0, 4, 4, 4)), r"has the shape \[0, 4, 4, 4\]"),
    (numpy.full((4, 4, 4), 2.5), "has numbers from 2.5 to 2.5, and voxels are 0 .* save ARRAY > THRESHOLD"),
    (numpy.full((4, 4, 4), numpy.nan), "has numbers from nan to nan"),
    (numpy.full((4, 4, 4), 7), "has numbers from 7 to 7"),
    (numpy.full((4, 4, 4), "x"), "numbers of kind <U1, and voxels are bool, uint8 or floats"),
    (numpy.array([{"a": 1}], dtype=object), "holds Python objects"),
    (numpy.zeros((2, 9, 4, 4)), "shapes of 9 x 4 x 4 voxels, more than data.edge=8: type data.edge=16"),
])
def test_arrays_that_are_no_voxels_are_refused(content, message, tmp_path):
    numpy.save(tmp_path / "shapes.npy", content)
    with pytest.raises(RequestError, match=message):
        read_voxels([tmp_path / "shapes.npy"], None, 8)


def test_files_that_are_no_voxels_are_refused(tmp_path):
    picture, text, npz = tmp_path / "picture.png", tmp_path / "voxels.npy", tmp_path / "voxels.npz"
    picture.write_bytes(b"\x89PNG")
    text.write_text("0 1 0 1")
    numpy.savez(npz, voxels=SHAPES)
    for root, array, message in ((picture, None, "is no .npy or .npz file"),
                                 (tmp_path / "none", None, "does not exist"),
                                 (text, None, "is not a whole file of arrays"),
                                 (npz, "shapes", r"has no array called shapes: there are voxels \[5, 6, 6, 6\]")):
        with pytest.raises(RequestError, match=message):
            VoxelFiles("voxels", str(root), 8, 2, array).setup()
    with pytest.raises(RequestError, match="needs to know the files"):
        VoxelFiles("voxels", None, 8, 2).setup()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="has no .npy or .npz file"):
        files_in(tmp_path / "empty", "data.root")


def test_metrics_are_refused_in_a_sentence_and_wrong_settings_too():
    with pytest.raises(RequestError, match="data=made_voxels has shapes of voxels, and metrics look at images"):
        made().evaluation_images()
    for settings, message in (({"num_classes": 3}, "data.num_classes=3 must be 0 .no labels. or 5"),
                              ({"kinds": ["box", "pear"]}, "data.kinds=.* must be a list of some of box, ball"),
                              ({"rotation": "all"}, "data.rotation=all must be one of none, vertical, any")):
        with pytest.raises(ValueError, match=message):
            made(**settings)
