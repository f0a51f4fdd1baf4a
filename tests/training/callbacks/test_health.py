"""What is not finite never reaches the weights; slow failures are measured without being noticed, and said."""

import copy
import csv
import json
import math
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from saddlepoint import build
from saddlepoint.errors import Collapsed, Diverged, RollBack
from saddlepoint.game.guard import FiniteGuard
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.runs import checkpoint
from saddlepoint.training import train as train_module
from saddlepoint.training.callbacks import health as health_module
from saddlepoint.training.callbacks.checkpointing import Checkpointing
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.health import Health
from saddlepoint.training.train import train
from tests.composing import settings
from tests.game.playing import Later

TINY = ("data.batch_size=8", "data.subset_size=64", "trainer=cpu", "model.generator.width=4",
        "model.discriminator.width=4", "budget.images=96", "callbacks=none")
STEP, BEFORE = 4, 24  # the step that goes wrong, and the images seen before it
WHO = pytest.mark.parametrize(("player", "method"), [("discriminator", "fake_term"), ("generator", "generator")])


@pytest.fixture(params=["the host looks before each update", "some steps later"])
def either_way(request, monkeypatch):
    """As on a CPU, or as on a GPU"""
    if request.param == "some steps later":
        monkeypatch.setattr(health_module, "FiniteGuard", lambda *given: FiniteGuard(*given[:-1], Later))


class Witness(pl.Callback):
    """Remembers the game as it was before step STEP, and the gradients after every step; `harm` acts before STEP."""

    def __init__(self, run, harm=lambda module: None):
        self.checkpoint, self.harm, self.gradients = run / "checkpoints" / "last.ckpt", harm, {}

    def on_train_batch_start(self, trainer, module, batch, batch_index) -> None:
        if batch_index + 1 == STEP:
            self.module, self.optimizers = module, trainer.optimizers
            self.before, self.saved = self.state(), self.checkpoint.read_bytes()
            self.harm(module)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        self.gradients[module.images_seen] = [
            torch.cat([parameter.grad.flatten() for parameter in network.parameters()]).double().norm().item()
            for network in (module.generator, module.discriminator)]

    def state(self):
        return copy.deepcopy({
            player: (dict(getattr(self.module, player).named_parameters()), optimizer.state_dict())
            for player, optimizer in zip(("generator", "discriminator"), self.optimizers, strict=True)})


def watched(monkeypatch, run, *overrides, harm=lambda module: None, change=lambda health: None):
    """Trains with a witness -> it, and how training ended"""
    witness, configured = Witness(run, harm), build.callbacks

    def callbacks(*given):
        made = configured(*given)
        change(next(each for each in made if isinstance(each, Health)))
        return [*made, witness]

    with monkeypatch.context() as patch:
        patch.setattr(build, "callbacks", callbacks)
        try:
            train(settings(*TINY, "callbacks.checkpointing.every_images=8", *overrides), run)
        except Diverged as end:
            return witness, end
    return witness, None


def assert_same(one, other) -> None:
    if isinstance(one, dict | list | tuple):
        assert len(one) == len(other)
        for key in one if isinstance(one, dict) else range(len(one)):
            assert_same(one[key], other[key])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def nan_in_update(monkeypatch, player: str, method: str):
    """One term of the loss, of update STEP, whenever it is computed -> what harms a module"""
    harmed, right = [], getattr(NonSaturating, method)

    def wrong(self, *given):
        is_now = harmed and getattr(harmed[0], f"{player}_steps_taken") + 1 == STEP
        return right(self, *given) * (math.nan if is_now else 1)

    monkeypatch.setattr(NonSaturating, method, wrong)
    return harmed.append


def nan_in_gradient(module) -> None:
    spoil(module.generator, lambda gradient: gradient * math.nan)


def spoil(network, how) -> None:
    """Of its third parameter, from now on"""
    list(network.parameters())[2].register_hook(how)


def diagnosis(run):
    return json.loads((run / "diagnosis.json").read_text())


@pytest.mark.usefixtures("either_way")
@WHO
def test_a_term_that_is_not_finite_ends_the_run_before_the_weights_move(player, method, tmp_path, monkeypatch):
    run = tmp_path / "run"
    witness, end = watched(monkeypatch, run, harm=nan_in_update(monkeypatch, player, method))
    said = str(end)
    assert type(end) is Diverged and end.exit_code == 3
    assert f"{player}/adversarial (nan) not finite in update {STEP} of the {player}, after {BEFORE} images" in said
    assert str(run / "diagnosis.json") in said and "optimizer.generator.lr" in said
    assert json.loads((run / "status.json").read_text())["state"] == "diverged"
    assert_same(witness.state()[player], witness.before[player])
    assert (run / "checkpoints" / "last.ckpt").read_bytes() == witness.saved
    assert checkpoint.load(run / "checkpoints" / "last.ckpt")["images_seen"] == BEFORE
    written = diagnosis(run)
    assert (written["player"], written["update"], written["images_seen"]) == (player, STEP, BEFORE)
    assert written["terms"] == {"adversarial": "nan"}
    gradient = next(iter(written["parameters"][player].values()))["gradient"]
    assert gradient["nonfinite"] == math.prod(gradient["shape"]) and gradient["max"] is None


@pytest.mark.usefixtures("either_way")
def test_the_diagnosis_has_the_numbers_of_batch_logits_and_weights(tmp_path, monkeypatch):
    harm, logits = nan_in_update(monkeypatch, "discriminator", "fake_term"), []
    witness, _ = watched(monkeypatch, tmp_path / "run",
                         harm=lambda module: harm(module) or logits.append(module.latest["logits/real"]))
    written = diagnosis(tmp_path / "run")
    assert written["batch"]["real"]["shape"] == [8, 1, 32, 32] and written["batch"]["real"]["min"] == -1
    assert written["batch"]["real"]["nonfinite"] == 0
    assert written["logits"]["real"]["mean"] == pytest.approx(logits[0].double().mean().item())
    for name, numbers in written["parameters"]["generator"].items():
        weights = witness.before["generator"][0][name].detach().double()
        expected = [weights.min().item(), weights.max().item(), weights.norm().item(), weights.std().item()]
        assert [numbers[key] for key in ("min", "max", "norm", "std")] == pytest.approx(expected)


@pytest.mark.usefixtures("either_way")
def test_a_gradient_that_is_not_finite_is_named_by_its_parameter(tmp_path, monkeypatch):
    """The loss is finite"""
    _, end = watched(monkeypatch, tmp_path / "run", harm=nan_in_gradient)
    parameters = diagnosis(tmp_path / "run")["parameters"]["generator"]
    [spoilt] = [name for name, numbers in parameters.items() if numbers["gradient"]["nonfinite"]]
    assert spoilt == list(parameters)[2]
    assert f"the gradient of generator.{spoilt} not finite in update {STEP} of the generator" in str(end)
    assert math.isfinite(diagnosis(tmp_path / "run")["terms"]["adversarial"])


@pytest.mark.usefixtures("either_way")
def test_a_gradient_whose_norm_is_too_large_for_float32_is_finite(tmp_path, monkeypatch):
    _, end = watched(monkeypatch, tmp_path / "run",
                     harm=lambda module: spoil(module.generator, lambda each: each * 0 + 1e30))
    assert end is None and not (tmp_path / "run" / "diagnosis.json").exists()


@pytest.mark.usefixtures("either_way")
def test_nothing_is_written_of_a_last_step_that_was_not_finite(tmp_path, monkeypatch):
    """Neither the row of curves at the end nor the checkpoint, which are all that this run would write."""
    run = tmp_path / "run"
    _, end = watched(monkeypatch, run, f"budget.images={8 * STEP}", "callbacks.checkpointing.every_images=24",
                     "callbacks.scalars.every_images=null", harm=nan_in_gradient)
    assert f"in update {STEP} of the generator" in str(end)
    assert checkpoint.load(run / "checkpoints" / "last.ckpt")["images_seen"] == BEFORE
    assert not (run / "metrics.csv").exists()


def test_before_anything_is_saved_or_shown_all_steps_are_known_to_be_finite(tmp_path):
    class Unfinished:
        images_seen, images_before = 16, 8

        def settle(self):
            raise Diverged("now it is known")

    with pytest.raises(Diverged):
        Every(16).due(Unfinished())
    assert not Every(32).due(Unfinished())
    with pytest.raises(Diverged):
        Checkpointing(16).write(SimpleNamespace(default_root_dir=tmp_path), Unfinished())
    assert not list(tmp_path.iterdir())


def test_where_gradients_are_scaled_only_terms_are_looked_at(tmp_path, monkeypatch):
    """Infinite gradients are the scaler's business; here nothing skips the step, so the next losses are not finite."""
    monkeypatch.setattr(Precision, "scaler", SimpleNamespace(get_scale=lambda: 65536.0), raising=False)
    _, end = watched(monkeypatch, tmp_path / "run", harm=nan_in_gradient)
    assert f"discriminator/adversarial (nan) not finite in update {STEP + 1} of the discriminator" in str(end)


def test_a_gradient_that_no_scale_makes_finite_is_named(tmp_path, monkeypatch):
    make = train_module.make_trainer

    def scaled(*given, **named):
        trainer = make(*given, **named)
        trainer.strategy.precision_plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=8))
        return trainer

    monkeypatch.setattr(train_module, "make_trainer", scaled)
    _, end = watched(monkeypatch, tmp_path / "run", harm=nan_in_gradient)
    assert "the gradient of generator." in str(end) and "reduced the scale of the losses to 0.5" in str(end)
    written = diagnosis(tmp_path / "run")
    assert written["player"] == "generator" and written["update"] == STEP + 3  # 8, 4, 2, 1, 0.5
    assert written["terms"]["adversarial"] > 0


def test_rolling_back_is_asked_for_so_many_times(tmp_path, monkeypatch):
    """What train() does about it is another matter: it is told of the end alone."""
    asked = ("callbacks.health.on_nonfinite=roll_back", "callbacks.health.roll_backs=2",
             "callbacks.health.roll_back_lr_factor=0.25")
    ends, end_run = [], Health.end

    def end_at_once(self, *given):
        try:
            end_run(self, *given)
        except Diverged as end:
            ends.append(end)
            raise Diverged(str(end)) from end

    monkeypatch.setattr(Health, "end", end_at_once)
    for done in range(3):
        remembered = {"roll_backs_done": done, "in_a_row": 0, "norms": {}}
        watched(monkeypatch, tmp_path / str(done), *asked, harm=nan_in_gradient,
                change=lambda health, state=remembered: health.load_state_dict(state))
    assert [type(end) for end in ends] == [RollBack, RollBack, Diverged]
    assert [(end.lr_factor, end.count) for end in ends[:2]] == [(0.25, 1), (0.25, 2)]
    assert all("the gradient of generator" in str(end) for end in ends)


# Measurements.


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        found = [{name: float(value) for name, value in row.items()
                  if value and name.startswith(("stability/", "images"))}
                 for row in csv.DictReader(file)]
    return {int(row.pop("images_seen")): row for row in found if len(row) > 1}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Measured every step, at times, and not at all, not even for what is not finite"""
    often, _ = watched(monkeypatch, tmp_path / "often", "callbacks.health.every_images=8")
    train(settings(*TINY, "callbacks.health.every_images=24", "callbacks.checkpointing.every_images=8"),
          tmp_path / "rarely")
    train(settings(*TINY, "~callbacks.health"), tmp_path / "never")
    return {name: tmp_path / name for name in ("often", "rarely", "never")}, often


def test_measuring_changes_no_bit_and_does_not_depend_on_how_often(runs):
    runs, witness = runs
    saved = {name: checkpoint.load(run / "checkpoints" / "last.ckpt") for name, run in runs.items()}
    for name in ("often", "rarely"):
        for part in ("module", "optimizers"):
            assert_same(saved[name][part], saved["never"][part])
    often, rarely = rows(runs["often"]), rows(runs["rarely"])
    assert list(often) == list(range(8, 97, 8)) and list(rarely) == [24, 48, 72, 96]
    assert rarely == {moment: often[moment] for moment in rarely}
    for seen, row in often.items():
        generator, discriminator = witness.gradients[seen]
        assert row["stability/gradient_ratio"] == pytest.approx(generator / discriminator, rel=1e-5)
        assert 0 < row["stability/diversity"] < 1 and 0 <= row["stability/saturation"] <= 1
    events = EventAccumulator(str(runs["rarely"]))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("stability/diversity")}
    assert shown == pytest.approx({moment: row["stability/diversity"] for moment, row in rarely.items()})


def test_what_a_model_or_a_loss_does_not_have_is_not_measured(tmp_path):
    train(settings("experiment=srgan_x4", "callbacks=none", "data.image_size=32", "data.batch_size=4",
                   "perceptual=random", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4",
                   "budget.images=32", "model.generator.num_blocks=1", "model.turns.generator_warmup_images=16",
                   "callbacks.health.every_images=8"), tmp_path / "enlarging")
    assert {moment: set(row) for moment, row in rows(tmp_path / "enlarging").items()} == dict.fromkeys(
        (24, 32), {"stability/gradient_ratio", "stability/saturation"})  # nothing while the generator warms up alone
    train(settings(*TINY, "loss=wasserstein", "trick=[weight_clipping]", "model.discriminator.normalization=layer",
                   "callbacks.health.every_images=48"), tmp_path / "critic")
    assert set(rows(tmp_path / "critic")[48]) == {"stability/gradient_ratio", "stability/diversity"}


# Collapse.


COLLAPSING = ("callbacks.health.every_images=8", "callbacks.health.collapse_after_images=40",
              "callbacks.health.patience=3")


@pytest.fixture
def deaf(monkeypatch):
    """The generator does not hear its latents."""
    configured = build.module

    def module(*given):
        made = configured(*given)
        made.generator.register_forward_pre_hook(lambda _, inputs: (torch.ones_like(inputs[0]), *inputs[1:]))
        return made

    monkeypatch.setattr(build, "module", module)


def test_a_generator_that_ignores_its_latents_is_reported_once(deaf, tmp_path, capsys):
    train(settings(*TINY, *COLLAPSING), tmp_path / "run")
    [line] = [line for line in capsys.readouterr().err.splitlines() if "collapsed" in line]
    assert line.startswith("warning: The generator has collapsed: after 56 images ")  # 40, 48, 56
    assert all(row["stability/diversity"] < 1e-9 for row in rows(tmp_path / "run").values())


def test_or_ends_the_run(deaf, tmp_path):
    with pytest.raises(Collapsed, match="after 56 images .* 3 measurements in a row") as end:
        train(settings(*TINY, *COLLAPSING, "callbacks.health.on_collapse=stop"), tmp_path / "run")
    assert end.value.exit_code == 3 and list(rows(tmp_path / "run"))[-1] == 56
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "collapsed"


def measuring(**changed):
    given = {"on_nonfinite": "stop", "roll_backs": 1, "roll_back_lr_factor": 0.5, "every_images": None, "num_images": 4,
             "seed": 0, "on_collapse": "warn", "collapse_below": 0.1, "collapse_after_images": 0, "patience": 2}
    return Health(EvaluationContext(None, None, None, None), **given | changed)


def test_a_recovery_starts_the_count_again_and_so_does_not_a_new_process(capsys):
    health = measuring()
    health.is_first = True
    for seen, diversity in enumerate((0.05, 0.2, 0.05, 0.05, 0.05, 0.3, 0.01)):
        again = measuring()
        again.load_state_dict(health.state_dict())
        again.is_first, health = True, again
        health.check_collapse(diversity, seen)
    assert [line.split(" images")[0] for line in capsys.readouterr().err.splitlines()] == [
        "warning: The generator has collapsed: after 3"]
    health.check_collapse(0.01, 7)
    assert "after 7 images" in capsys.readouterr().err


def test_choices_that_do_not_exist_are_refused():
    for setting in ("on_nonfinite", "on_collapse"):
        with pytest.raises(ValueError, match=f"callbacks.health.{setting}=whatever must be "):
            measuring(**{setting: "whatever"})


def test_without_measurements_no_extractor_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "extractor", lambda given: pytest.fail("an extractor was built"))
    train(settings(*TINY, "budget.images=8"), tmp_path / "run")


def test_callbacks_share_one_extractor(tmp_path, monkeypatch):
    built, configured = [], build.extractor
    monkeypatch.setattr(build, "extractor", lambda given: built.append(1) or configured(given))
    train(settings(*TINY[:-1], "budget.images=8", "callbacks.sample_quality.metric=[]"), tmp_path / "run")
    assert len(built) == 1
