"""model.initialise for both players: games that start where another stopped, with layers that stay so."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import parametrize

from saddlepoint import build
from saddlepoint.commands.recipe_refusals import problems_of
from saddlepoint.comparison.rows import group_by_recipe
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import read_json
from saddlepoint.runs import checkpoint
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.resuming import continuation
from saddlepoint.sampling.loading import load_module
from saddlepoint.training.first_weights import initialise
from saddlepoint.training.train import train
from tests.composing import SMALL, settings

TINY = (*SMALL, "model=dcgan", "data.image_size=16", "data.fit=resize", "model.generator.width=4",
        "model.discriminator.width=4", "model.latents.size=5")
NORMAL = (*TINY, "trick=[spectral_norm,ema]")
IMAGES, LABELS = torch.rand(4, 1, 16, 16), torch.zeros(4, dtype=torch.long)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return train(settings(*NORMAL), tmp_path_factory.mktemp("transfer") / "run")


def begun(*typed: str):
    made = settings(*typed)
    return build.module(made, partial(initialise, model=made["model"]))


@pytest.mark.parametrize("tricks", ["trick=[]", "trick=[spectral_norm]"])
def test_both_players_compute_what_those_of_the_run_do_whether_or_not_weights_are_normalised(tricks, run):
    before, _ = load_module(run / "checkpoints" / "last.ckpt")
    game = begun(*TINY, "seed=3", tricks, f"model.initialise={run}")
    latents = torch.randn(4, 5)
    same = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-6)
    same(game.generator.eval()(latents, LABELS), before.sampling_generator(latents, LABELS))
    ended = converged if "spectral_norm" in tricks else nn.Module.eval
    same(ended(game.discriminator)(IMAGES, LABELS), ended(before.discriminator)(IMAGES, LABELS))


def converged(network: nn.Module) -> nn.Module:
    """Lets power iteration come to its end, since a game starts it anew at chance, and the run's is a few steps old."""
    for layer in network.modules():
        if parametrize.is_parametrized(layer, "weight"):
            layer.train()
            for _ in range(1000):
                _ = layer.weight  # one iteration each
    return network.eval()


def test_a_file_holds_one_player_and_the_other_starts_at_random(run, tmp_path, capsys):
    chance = begun(*TINY, "seed=3")
    file = tmp_path / "critic.pth"
    torch.save(begun(*TINY, "seed=4").discriminator.state_dict(), file)
    game = begun(*TINY, "seed=3", f"model.initialise={run / 'generator.safetensors'}")
    written = safetensors.torch.load_file(run / "generator.safetensors")
    assert all(torch.equal(tensor, written[name]) for name, tensor in game.generator.state_dict().items())
    assert all(map(torch.equal, game.discriminator.parameters(), chance.discriminator.parameters()))
    game = begun(*TINY, "seed=3", f"model.initialise_discriminator={file}")
    assert all(map(torch.equal, game.generator.parameters(), chance.generator.parameters()))
    assert all(map(torch.equal, game.discriminator.state_dict().values(),
                   torch.load(file, weights_only=True).values()))
    assert f"model.discriminator starts from model.initialise_discriminator={file}" in capsys.readouterr().out
    assert [*game.provenance["first_weights"]] == ["discriminator"]


def test_what_does_not_fit_is_named_and_taken_in_part_where_asked(run, capsys):
    wider = (*TINY, "model.discriminator.width=6", f"model.initialise={run}")
    with pytest.raises(RequestError) as refusal:
        begun(*wider)
    assert f"model.initialise={run} holds another network and model.discriminator is" in str(refusal.value)
    assert "blocks.0.0.weight is [4, 1, 4, 4] there and [6, 1, 4, 4] here" in str(refusal.value)
    assert "model.initialise_discriminator=null" in str(refusal.value)
    with pytest.raises(RequestError, match="since no layer fits"):
        begun(*wider, "model.initialise_partly=true", f"model.initialise_discriminator={run / 'generator.safetensors'}")
    larger = (*TINY, "data.image_size=32", f"model.initialise={run}", "model.initialise_discriminator=null",
              "model.generator.width=2")
    capsys.readouterr()
    game = begun(*larger, "model.initialise_partly=true")
    written = safetensors.torch.load_file(run / "generator.safetensors")
    mine = game.generator.state_dict()
    fitting = {name for name in mine if name in written and mine[name].shape == written[name].shape}
    layers = {name.rpartition(".")[0] for name in mine}
    said = capsys.readouterr().out
    taken = {name for name in mine if name in written and torch.equal(mine[name], written[name])}
    assert fitting <= taken | {name for name in fitting if name.endswith("num_batches_tracked")}
    assert f"of {len(layers)} layers of model.initialise={run}; at random: " in said
    assert game.provenance["first_weights"]["generator"]["of_layers"] == len(layers)


def test_another_kind_of_file_is_refused_by_what_is_wrong_with_it(tmp_path):
    for content, sentence in ({}, "it is empty"), ({"a": 3}, "a is of another kind"), ([1], "holds a list"):
        torch.save(content, tmp_path / "it.pth")
        with pytest.raises(RequestError, match=f"model.initialise=.*it.pth cannot be used: .*{sentence}"):
            begun(*TINY, f"model.initialise={tmp_path / 'it.pth'}")
    with pytest.raises(RequestError, match="there is no such run or file"):
        begun(*TINY, "model.initialise=nowhere")


@pytest.mark.parametrize(("typed", "sentence", "instead"), [
    (["model.freeze_discriminator=3"], "has 2 layers that can be frozen", {"model.freeze_discriminator": 2}),
    (["model.freeze_discriminator=1", "model.initialise=null"], "the discriminator starts at random",
     {"model.freeze_discriminator": 0}),
    (["model.freeze_discriminator=1", "model.initialise_discriminator=null"], "the discriminator starts at random",
     {"model.freeze_discriminator": 0}),
])
def test_layers_that_are_not_there_or_at_random_cannot_be_frozen(typed, sentence, instead):
    problem, = problems_of(settings(*TINY, "model.initialise=runs/it", *typed))
    assert sentence in problem.reason and problem.instead == instead
    assert not problems_of(settings(*TINY, "model.initialise=runs/it", "model.freeze_discriminator=2"))


def test_a_file_of_the_generator_leaves_no_layers_to_freeze(run):
    with pytest.raises(RequestError, match="freeze_discriminator=1 keeps layers as they start.* starts at random"):
        begun(*TINY, f"model.initialise={run / 'generator.safetensors'}", "model.freeze_discriminator=1")


def test_a_transfer_goes_on_bit_for_bit_and_its_recipe_is_what_it_started_from(run, tmp_path):
    def path(name: str) -> Path:
        return tmp_path / name

    shutil.copytree(run, path("moved"))
    changed = checkpoint.load(run / "checkpoints" / "last.ckpt")
    changed["module"]["discriminator.logit.parametrizations.weight.original"] *= 2
    changed["module"]["generator.layers.0.linear.weight"] *= 2
    changed["module"]["tricks.ema.generator.layers.0.linear.weight"] *= 2
    checkpoint.save(path("other.ckpt"), changed)
    line = (*NORMAL, "seed=2", "model.freeze_discriminator=1")
    whole = train(settings(*line, f"model.initialise={run}"), path("whole"))
    begin = (*line, f"model.initialise={path('moved')}", f"run.dir={path('halves')}")
    train(settings(*begin, "budget.images=8"))
    on = settings(*begin, f"resume={path('halves')}")
    shutil.rmtree(path("moved"))
    train(on, continuation=continuation(on, ["budget.images=16"], None))
    states = [checkpoint.load(each / "checkpoints" / "last.ckpt")["module"] for each in (whole, path("halves"))]
    tensors = [{name: value for name, value in state.items() if isinstance(value, torch.Tensor)} for state in states]
    assert all(torch.equal(value, tensors[1][name]) for name, value in tensors[0].items())
    before, _ = load_module(run / "checkpoints" / "last.ckpt")
    frozen = "discriminator.blocks.0.0.parametrizations.weight.original"
    assert torch.equal(tensors[0][frozen], before.eval().discriminator.blocks[0][0].weight)
    train(settings(*line, f"model.initialise={path('other.ckpt')}"), path("otherwise"))
    recorded = read_json(path("halves") / "environment.json")["first_weights"]
    assert recorded == {player: each | {"source": str(path("moved"))} for player, each in
                        read_json(whole / "environment.json")["first_weights"].items()}
    groups = group_by_recipe([*gather([whole]).runs, *gather([path("halves")]).runs, *gather([path("otherwise")]).runs])
    assert [[run.path.name for run in group] for group in groups] == [["halves", "whole"], ["otherwise"]]
