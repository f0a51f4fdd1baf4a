"""trainer.compile: what it is told beside, recorded, refused, and that a run of it is the run that it would have been.
Compiled by aot_eager; one slow test has Inductor."""

import json
import shutil
from functools import cache

import pytest
import torch
from torch import nn
from torch._inductor.exc import InvalidCxxCompiler

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.game.compiling import compiled_code_of
from saddlepoint.runs import checkpoint
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training import arithmetic, compiling
from saddlepoint.training.train import train
from tests.comparing_runs import NARROW
from tests.composing import SMALL, settings

DIGITS = (*SMALL, *NARROW, "data.image_size=16", "data.fit=resize", "budget.images=16", "optimizer=sgd",
          "optimizer.generator.lr=0.01", "optimizer.discriminator.lr=0.01")
UPSCALER = (*SMALL, "data=sr_folder", "data.image_size=16", "data.subset_size=2", "budget.images=16", "optimizer=sgd")
# The fewer layers, the sooner they are compiled. test_every_network_is_one_graph has the other networks.
RECIPES = {
    "resnet, spectral norm, projection": (*DIGITS, "model=projection", "loss=hinge", "trick=[spectral_norm]"),
    "wgan-gp": (*DIGITS, "model=resnet", "loss=wasserstein", "trick=[wgan_gp]", "model.turns.share_latents=true",
                "model.discriminator.normalization=layer"),
    "r1, r2, ema": (*DIGITS, "loss=relativistic", "trick=[r1,r2,ema]", "model.discriminator.normalization=none"),
    "acgan, dropout, r1": (*DIGITS, "model=acgan_dcgan", "trick=[auxiliary_classifier,r1]",
                           "model.discriminator.normalization=none", "model.discriminator.dropout=0.3"),
    "finite differences": (*DIGITS, "loss=relativistic", "trick=[instance_noise,finite_difference]",
                           "model.discriminator.normalization=none"),
    "bigan, r1": (*DIGITS, "model=bigan", "model.encoder.width=4", "model.encoder.stochastic=true", "trick=[r1]",
                  "model.discriminator.normalization=none"),
    "infogan": (*DIGITS, "model=infogan", "data.image_size=28", "model.generator.hidden=8",
                "model.discriminator.hidden=8"),
    "srgan": (*UPSCALER, *NARROW, "model=srgan", "perceptual=random", "model.generator.num_blocks=1"),
    "pix2pix": (*SMALL, *NARROW, "data=photo_edges", "data.subset_size=2", "model=pix2pix", "budget.images=2",
                "data.batch_size=1", "data.image_size=32", "optimizer=sgd", "model.generator.levels=3",
                "model.generator.dropout_levels=1", "model.discriminator.halvings=1"),
    "cyclegan": (*SMALL, *NARROW, "data=coloured_digits", "model=cyclegan", "budget.images=2", "data.batch_size=1",
                 "model.generator.num_blocks=1", "model.generator.halvings=1", "model.discriminator.halvings=1",
                 "optimizer=sgd"),
}

SAID = {"wgan-gp": "compiling: generator, discriminator, the gradients of wgan_gp; the first steps",
        "finite differences": "compiling: generator, discriminator, the passes of finite_difference; the first steps"}


@pytest.fixture(autouse=True)
def quick_backend(monkeypatch):
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    yield
    torch._dynamo.reset()


@cache
def first_weights(typed: tuple[str, ...]) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        return build.module(settings(*typed)).state_dict()


def steps_of(typed: tuple[str, ...], path) -> torch.Tensor:
    """How far a run moves the numbers of its networks: weights, running statistics, spectral vectors"""
    made_alike = tuple(each for each in typed if not each.startswith(("trainer.compile", "precision", "bf16")))
    first = first_weights(made_alike)
    last = checkpoint.load(train(settings(*typed), path) / "checkpoints" / "last.ckpt")["module"]
    return torch.cat([(last[name] - first[name]).flatten().double() for name in sorted(first)
                      if isinstance(first[name], torch.Tensor) and last[name].is_floating_point()
                      and name.startswith(("generator.", "discriminator."))])


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_is_the_run_it_would_have_been_within_rounding(name, tmp_path, capsys, monkeypatch):
    """Two steps of gradient descent, whose numbers are rounded by 2^-24 in each of a few dozen layers and back. What
    is compiled is said and recorded, and each network is one graph."""
    games, compile_game = [], compiling.compile_game
    monkeypatch.setattr(compiling, "compile_game", lambda module: games.append(module) or compile_game(module))
    eager = steps_of(RECIPES[name], tmp_path / "eager")
    compiled = steps_of((*RECIPES[name], "trainer.compile=true"), tmp_path / "compiled")
    assert eager.norm() > 0
    assert (compiled - eager).norm() <= 2**-24 * 256 * eager.norm()
    [module] = games
    for code in map(compiled_code_of, module.networks.values()):
        assert code.graphs and len(code.frames) <= 1  # none where another method than forward is called
    assert SAID.get(name, "compiling: ") in capsys.readouterr().out
    recorded = json.loads((tmp_path / "compiled" / "environment.json").read_text())["device"]
    assert recorded["compile"] is True
    assert checkpoint.load(tmp_path / "compiled" / "checkpoints" / "last.ckpt")["device"] == recorded


def test_a_penalty_of_what_is_changed_on_its_way_is_not_compiled(tmp_path, capsys):
    typed = (*DIGITS, "trick=[instance_noise,r1]", "model.discriminator.normalization=none")
    eager = steps_of(typed, tmp_path / "eager")
    compiled = steps_of((*typed, "trainer.compile=true"), tmp_path / "compiled")
    assert (compiled - eager).norm() <= 2**-16 * eager.norm()
    assert "not compiled: the gradients of r1, as trick=[instance_noise] changes what" in capsys.readouterr().out


def test_a_layer_with_running_statistics_is_named():
    module = build.module(settings(*DIGITS, "trick=[r1]", "model.discriminator.normalization=instance"))
    assert not any("not compiled" in line for line in compiling.description(module))
    module.discriminator.blocks[1][1] = nn.InstanceNorm2d(8, track_running_stats=True)
    [line] = [line for line in compiling.description(module) if "not compiled" in line]
    assert "the gradients of r1, as InstanceNorm2d (model.discriminator, blocks.1.1) updates" in line
    compiling.compile_game(module)
    assert not module.tricks["r1"].is_compiled and compiled_code_of(module.discriminator)


def test_dropout_keeps_the_passes_of_finite_differences_from_compiled_code():
    module = build.module(settings(*DIGITS, "trick=[r1,finite_difference]", "model.discriminator.dropout=0.3",
                                   "model.discriminator.normalization=none"))
    compiled, reason = compiling.description(module)
    assert "the gradients of r1; the first steps" in compiled
    assert reason.startswith("not compiled: the passes of finite_difference, as Dropout (model.discriminator, ")
    compiling.compile_game(module)
    assert module.tricks["r1"].is_compiled and not module.tricks["finite_difference"].is_compiled


def test_without_a_compiler_a_run_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    def missing(graph, inputs):
        raise InvalidCxxCompiler

    monkeypatch.setattr(compiling, "BACKEND", missing)
    with pytest.raises(RequestError, match=r"needs a C\+\+ compiler \(apt install g\+\+\).*trainer.compile=false"):
        train(settings(*DIGITS, "trainer.compile=true"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_errors_of_torchs_compiler_end_in_a_sentence(tmp_path):
    def refusal(error: Exception) -> RequestError:
        return arithmetic.explained(error, settings(*DIGITS), torch.device("cpu"), RunDirectory(tmp_path))

    twice = RuntimeError("torch.compile with aot_autograd does not currently support double backward")
    assert "compiled code cannot be differentiated twice" in str(refusal(twice))
    failed = torch._dynamo.exc.TorchRuntimeError("backend='inductor' raised:\nshapes differ\nadvice")
    assert "TorchRuntimeError: shapes differ. Type trainer.compile=false" in str(refusal(failed))
    assert refusal(RuntimeError("shapes differ")) is None


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="Inductor needs a C++ compiler on a CPU")
def test_inductor_takes_the_same_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "BACKEND", "inductor")
    typed = (*DIGITS, "trick=[r1]", "model.discriminator.normalization=layer")
    eager = steps_of(typed, tmp_path / "eager")
    compiled = steps_of((*typed, "trainer.compile=true"), tmp_path / "compiled")
    assert (compiled - eager).norm() <= 2**-16 * eager.norm()
