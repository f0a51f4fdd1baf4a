"""make(): only classes of known packages and kinds, however deep they hide, and only with arguments they take."""

import pytest
import torch
from torch import nn

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.trick import Trick
from tests.composing import settings

ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3}


@pytest.mark.parametrize("target", [
    "os.system", "builtins.eval", "subprocess.Popen", "torch.hub.load", "torch.load", "torch.os.system",
    "torchvision.datasets.utils.download_url", "torch.utils.data.Dataset.__class__", "saddlepoint.runs.checkpoint.Path",
    "pytorch_lightning.Trainer", "torch.serialization.os.system", "torchnot.Module", "nowhere.Thing", "", None, 7,
    "torch.nn.NoSuchLayer", "torch.nn.init.normal_",
])
def test_a_target_that_is_not_a_known_class_is_refused(target):
    with pytest.raises(RequestError, match="_target_"):
        build.make({"_target_": target}, object, "model.generator")


def test_a_hostile_target_inside_an_argument_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    hostile = {"_target_": "os.system", "command": f"touch {marker}"}
    for where in ({"lr": hostile}, {"betas": [0.5, hostile]}, {"foreach": {"deep": [hostile]}}):
        with pytest.raises(RequestError, match="os.system"):
            build.make(ADAM | where, torch.optim.Optimizer, "optimizer.generator")
    assert not marker.exists()


@pytest.mark.parametrize("key", ["_args_", "_recursive_", "_convert_", "_class_path"])
def test_other_steering_keys_are_refused(key):
    with pytest.raises(RequestError, match=key):
        build.make(ADAM | {key: []}, torch.optim.Optimizer, "optimizer.generator")


def test_a_class_of_the_wrong_kind_is_refused():
    with pytest.raises(RequestError, match="model.generator._target_=torch.optim.Adam must be a Module"):
        build.make(ADAM, nn.Module, "model.generator")


def test_a_misspelt_argument_is_refused_with_the_nearest():
    with pytest.raises(RequestError, match="weight_decoy is not a setting of Adam: did you mean weight_"):
        build.make(ADAM | {"weight_decoy": 0.1}, torch.optim.Optimizer, "optimizer.generator")


def test_arguments_include_those_handed_on_to_a_base_class():
    from saddlepoint.data.sources.mnist5k import MNIST5k
    assert {"fit", "batch_size", "seed"} <= build.arguments(MNIST5k)


def test_the_first_weights_are_a_function_of_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(99)
    before = torch.get_rng_state()
    small = ("model.generator.width=4", "model.discriminator.width=4")
    first, same, other = (build.module(settings(*small, f"seed={seed}")) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert any(not torch.equal(a, c) for a, _, c in pairs)


def test_a_model_has_the_networks_that_its_game_plays_with_and_no_others():
    chosen = settings()
    chosen["model"]["encoder"] = chosen["model"]["discriminator"]
    with pytest.raises(RequestError, match="model.encoder must be removed: SynthesisModule .* only with generator"):
        build.networks(chosen)
    chosen = settings("model=bigan")
    del chosen["model"]["encoder"]
    with pytest.raises(RequestError, match="model.encoder is missing: BiGANModule"):
        build.networks(chosen)
    chosen["model"]["module"] = {"_target_": "torch.nn.Identity"}
    with pytest.raises(RequestError, match="must be an AdversarialModule, and is not"):
        build.networks(chosen)


class StartsAtRandom(Trick):
    trained_with = "generator"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def generator_loss(self, step):
        return self.weight.sum()


def test_the_first_weights_of_a_trick_are_a_function_of_the_seed(monkeypatch):
    monkeypatch.setattr(build, "tricks", lambda settings: {"mine": StartsAtRandom()})
    small, weights = ("model.generator.width=4", "model.discriminator.width=4"), []
    for seed, disturbance in ((1, 5), (1, 6), (2, 6)):
        torch.manual_seed(disturbance)
        weights.append(build.module(settings(*small, f"seed={seed}")).tricks["mine"].weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])
