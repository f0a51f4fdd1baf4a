"""Drawing: the same picture for the same seed, from the checkpoint alone."""

import shutil

import pytest
import torch
from PIL import Image
from torch import nn

import saddlepoint
from saddlepoint.commands import drawing
from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.game.modes import evaluating, frozen
from saddlepoint.runs import checkpoint
from saddlepoint.sampling import pictures
from saddlepoint.sampling.generator import SamplingGenerator
from saddlepoint.training.train import train
from tests.composing import composed, settings

TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4",
        "budget.images=40", "callbacks=none", "logger=none")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(settings(*TINY, "trick=[ema]"), tmp_path_factory.mktemp("sampling") / "run")


def drawn(run, *overrides):
    from omegaconf import OmegaConf
    config, _ = composed(f"run='{run}'", *overrides, config="sample")
    drawing.draw(OmegaConf.to_container(config))


def test_an_image_is_the_same_to_the_bit_however_many_are_drawn(run):
    generator = saddlepoint.load_generator(run)
    many = generator.sample(40, seed=7)
    for count in (1, 5, 16, 17):
        assert torch.equal(generator.sample(count, seed=7), many[:count])
    assert torch.equal(generator.sample(3, seed=7, first=15), many[15:18])
    assert not torch.equal(generator.sample(4, seed=8), many[:4])


def test_a_loaded_generator_is_ready_to_call(run):
    generator = saddlepoint.load_generator(str(run))
    assert not generator.training and not any(parameter.requires_grad for parameter in generator.parameters())
    images = generator(torch.randn(2, generator.latents.size))
    assert images.shape == (2, 1, 32, 32) and images.abs().max() <= 1


def test_the_average_draws_when_the_run_kept_one(run):
    state = checkpoint.load(run / "checkpoints" / "last.ckpt")["module"]
    for name, value in saddlepoint.load_generator(run).generator.state_dict().items():
        assert torch.equal(value, state[f"tricks.ema.generator.{name}"])


def test_the_checkpoint_alone_is_enough(run, tmp_path):
    alone = tmp_path / "renamed.ckpt"
    shutil.copy(run / "checkpoints" / "last.ckpt", alone)
    assert torch.equal(saddlepoint.load_generator(alone).sample(2), saddlepoint.load_generator(run).sample(2))


def test_a_hostile_configuration_in_a_checkpoint_runs_nothing(run, tmp_path):
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
    marker = tmp_path / "ran"
    for where in ("generator", "latents", "turns", "module"):
        hostile = {**saved, "settings": {**saved["settings"], "model": {**saved["settings"]["model"], where: {
            "_target_": "os.system", "command": f"touch {marker}"}}}}
        checkpoint.save(tmp_path / "hostile.ckpt", hostile)
        with pytest.raises(RequestError, match="os.system"):
            saddlepoint.load_generator(tmp_path / "hostile.ckpt")
    assert not marker.exists()


@pytest.mark.parametrize(("name", "words"), [("nowhere", "does not exist"), ("empty", "has no checkpoint")])
def test_a_run_that_cannot_be_drawn_from_is_named(tmp_path, name, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=words):
        saddlepoint.load_generator(tmp_path / name)


def test_a_run_is_drawn_from_its_newest_whole_checkpoint(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "checkpoints" / "last.ckpt").rename(copy / "checkpoints" / "last-1.ckpt")
    (copy / "checkpoints" / "last.ckpt").write_bytes(b"half a checkpoint")
    assert torch.equal(saddlepoint.load_generator(copy).sample(2), saddlepoint.load_generator(run).sample(2))
    said = capsys.readouterr().err
    assert "last.ckpt is damaged" in said and f"Using {copy / 'checkpoints' / 'last-1.ckpt'}, of 40 images" in said
    with pytest.raises(RequestError, match="is damaged"):
        saddlepoint.load_generator(copy / "checkpoints" / "last.ckpt")


def test_a_checkpoint_of_another_shape_is_refused(run, tmp_path):
    saved = checkpoint.load(run / "checkpoints" / "last.ckpt")
    name = next(name for name in saved["module"] if name.startswith("generator."))
    del saved["module"][name]
    checkpoint.save(tmp_path / "other.ckpt", saved)
    with pytest.raises(RequestError, match=rf"other.ckpt does not fit the networks .*: {name} is missing there and \["):
        saddlepoint.load_generator(tmp_path / "other.ckpt")


def test_sample_writes_a_grid_and_single_files(run, capsys):
    drawn(run, "count=6", "seed=7", "columns=3", "files=true")
    grid = run / "drawn" / "last_seed7_count6_columns3.png"
    assert str(grid) in capsys.readouterr().out
    assert Image.open(grid).size == (3 * 32 + 2 * pictures.GAP, 2 * 32 + pictures.GAP)
    singles = sorted(grid.with_suffix("").iterdir())
    assert [path.name for path in singles] == [f"{index:06d}.png" for index in range(6)]
    cell = Image.open(grid).crop((34, 0, 66, 32))
    assert list(cell.get_flattened_data()) == list(Image.open(singles[1]).get_flattened_data())


def test_an_interpolation_begins_and_ends_at_its_seeds(run, tmp_path):
    output = tmp_path / "walk.png"
    drawn(run, "interpolate=[3,8,5]", "steps=4", f"output='{output}'", "files=true")
    images = [torch.tensor(list(Image.open(path).get_flattened_data())) for path in
              sorted(output.with_suffix("").iterdir())]
    generator = saddlepoint.load_generator(run)
    assert len(images) == 8 and torch.equal(images[3], images[4])  # the end of one row begins the next
    for index, seed in ((0, 3), (3, 8), (7, 5)):
        expected = pixels.to_bytes(generator.sample(1, seed=seed)).flatten()
        assert (images[index] - expected.int()).abs().max() <= 1
    assert not torch.equal(images[1], images[0])


def test_a_file_of_the_users_is_never_replaced_unasked(run, tmp_path):
    output = tmp_path / "photo.png"
    output.write_bytes(b"precious")
    with pytest.raises(RequestError, match=r"photo.png exists: choose another file or add overwrite=true"):
        drawn(run, f"output='{output}'")
    assert output.read_bytes() == b"precious"
    drawn(run, f"output='{output}'", "overwrite=true", "count=1")
    assert Image.open(output).size == (32, 32)


def test_single_files_replace_no_others_unasked(run, tmp_path):
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "000000.png").write_bytes(b"precious")
    files = (f"output='{tmp_path / 'grid.png'}'", "files=true", "count=1")
    with pytest.raises(RequestError, match="grid holds pictures already: .* or add overwrite=true"):
        drawn(run, *files)
    assert (tmp_path / "grid" / "000000.png").read_bytes() == b"precious" and not (tmp_path / "grid.png").exists()
    drawn(run, *files, "overwrite=true")
    assert Image.open(tmp_path / "grid" / "000000.png").size == (32, 32)


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_drawn(run, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(drawing, "load_generator", None)
    for more, words in (((f"output='{tmp_path / 'taken' / 'a.png'}'",), "taken is a file, not a folder"),
                        ((f"output='{tmp_path / 'taken.png'}'", "files=true"), "taken is a file, not a folder")):
        with pytest.raises(RequestError, match=f"output=.* cannot be written: .*{words}"):
            drawn(run, *more)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    shutil.copytree(run / "checkpoints", tmp_path / "copy" / "checkpoints")
    (tmp_path / "copy" / "drawn").write_text("a file")
    with pytest.raises(RequestError, match="output=.*drawn cannot be written: .*drawn is a file, not a folder"):
        drawn(tmp_path / "copy")


@pytest.mark.parametrize(("overrides", "words"), [
    (("interpolate=[3]",), "a walk needs two"),
    (("output='/proc/nothing/here.png'",), "cannot be written"),
    ((f"output={'n' * 300}.png",), "output=n+.png must be a shorter path .File name too long"),
    (("output='grid'",), "output=grid must be a PNG file: type output=grid.png"),
])
def test_an_impossible_wish_is_refused(run, overrides, words):
    with pytest.raises(RequestError, match=words):
        drawn(run, *overrides)


def test_without_a_run_there_is_nothing_to_draw_from():
    with pytest.raises(RequestError, match="run is not set"):
        drawing.draw({"run": None})


def test_bytes_are_rounded_and_clipped():
    levels = torch.arange(256.0) / 127.5 - 1
    assert torch.equal(pixels.to_bytes(levels.view(1, 1, 16, 16)).flatten().int(), torch.arange(256).int())
    assert pixels.to_bytes(torch.tensor([[[[-3.0, 3.0]]]])).flatten().tolist() == [0, 255]


def test_a_grid_leaves_a_gap_and_fills_rows_first():
    images = torch.tensor([9, 18, 27], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    assert pictures.grid(images)[0, :, 0].tolist() == [9, 9, 0, 0, 27, 27]
    assert pictures.grid(images)[0, 0].tolist() == [9, 9, 0, 0, 18, 18]
    assert pictures.grid(images, columns=3).shape == (1, 2, 10)


def test_modes_are_restored_layer_by_layer_even_after_an_error():
    network = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2).eval())
    with pytest.raises(ZeroDivisionError), evaluating(network):
        assert not network[0].training
        raise ZeroDivisionError
    assert network.training and network[0].training and not network[1].training
    with evaluating(network, active=False):
        assert network[0].training
    layer = nn.Linear(2, 1)
    with frozen(list(layer.parameters())):
        assert not layer(torch.ones(1, 2)).requires_grad
    assert layer.weight.requires_grad


def test_blocks_do_not_show_in_what_latents_become():
    """A row's picture does not depend on the rows before it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Unflatten(1, (2, 2, 2)))

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = network

        def forward(self, latents, labels):
            return self.layers(latents)
    sampler = SamplingGenerator(Generator(), Latents(5))
    latents = torch.randn(20, 5)
    torch.testing.assert_close(sampler.of_latents(latents), network(latents))
    assert sampler.of_latents(latents).shape == (20, 2, 2, 2)
