"""conf/tricks and conf/optimizer, composed as train.py composes them."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from saddlepoint.game.optimizers import without_schedules
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.trick import Trick
from saddlepoint.tricks.gradient_penalty import GradientPenalty, ZeroGradientPenalty
from saddlepoint.tricks.labels import TargetTrick
from tests.in_conf import classes, concrete
from tests.tricks.stand_ins import TRICKS

CONF = Path(__file__).parents[2] / "conf"
OPTIMIZERS = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))


@pytest.fixture
def composed(tmp_path):
    (tmp_path / "train.yaml").write_text(
        f"hydra: {{searchpath: ['file://{CONF}']}}\n"
        "defaults: [_self_, {optimizer: adam}, {tricks: all}]\n"
        "budget: {images: 1000}\n")

    def with_overrides(*overrides: str) -> dict:
        with initialize_config_dir(str(tmp_path), version_base="1.3"):
            return OmegaConf.to_container(compose("train", overrides=list(overrides)), resolve=True)

    return with_overrides


def test_every_trick_has_its_settings_in_all(composed):
    files = {path.stem for path in (CONF / "tricks").glob("*.yaml")} - {"all"}
    assert set(composed()["tricks"]) == files


def test_every_trick_is_among_the_stand_ins_and_an_option():
    offered = classes("tricks")
    assert {name: type(make()) for name, make in TRICKS.items()} == offered
    assert {*offered.values()} == concrete(Trick) - {TargetTrick, GradientPenalty, ZeroGradientPenalty}


@pytest.mark.parametrize("name", TRICKS)
def test_a_tricks_yaml_holds_its_constructors_arguments_and_their_defaults(composed, name):
    settings = composed()["tricks"][name]
    arguments = inspect.signature(get_class(settings.pop("_target_"))).parameters
    assert list(settings) == list(arguments)
    for setting, argument in arguments.items():
        assert argument.default in (settings[setting], argument.empty)


def test_instance_noise_goes_to_zero_over_the_budget(composed):
    sigma = instantiate(composed("budget.images=500")["tricks"]["instance_noise"]).sigma
    assert sigma(0) > sigma(499) > sigma(500) == 0


@pytest.mark.parametrize("setting", ["tricks.r1.gamma", "tricks.instance_noise.sigma", "optimizer.schedule"])
def test_a_number_and_a_schedule_replace_each_other_on_the_command_line(composed, setting):
    group, *rest = setting.split(".")
    ramp = "{_target_: saddlepoint.game.schedule.Cosine, start: 1, end: 0, images: 10}"
    for typed, expected in (("0.5", [0.5, 0.5]), (ramp, [1, 0])):
        value = composed(f"{setting}={typed}")[group]
        for key in rest:
            value = value[key]
        schedule = as_schedule(instantiate(value) if isinstance(value, dict) else value)
        assert [schedule(0), schedule(10)] == pytest.approx(expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizers_yaml_makes_one_for_each_player(composed, name):
    settings = composed(f"optimizer={name}", "optimizer.generator.lr=0.125")["optimizer"]
    optimizers = instantiate(settings, _convert_="all")
    assert set(optimizers) == {"generator", "discriminator", "schedule"}
    for player in ("generator", "discriminator"):
        optimizer = without_schedules(optimizers[player]).make([torch.nn.Parameter(torch.ones(1))])
        assert isinstance(optimizer, torch.optim.Optimizer)
        assert (optimizer.param_groups[0]["lr"] == 0.125) is (player == "generator")
    assert isinstance(as_schedule(optimizers["schedule"]), Schedule)


def test_the_learning_rates_of_the_papers(composed):
    def rates(name):
        optimizer = composed(f"optimizer={name}")["optimizer"]
        return [(optimizer[player]["lr"], optimizer[player].get("betas")) for player in ("generator", "discriminator")]

    assert rates("adam") == [(2e-4, [0.5, 0.999])] * 2
    assert rates("adam_wgan_gp") == [(1e-4, [0.0, 0.9])] * 2
    assert rates("two_timescale") == [(1e-4, [0.0, 0.9]), (4e-4, [0.0, 0.9])]
    assert rates("rmsprop") == [(5e-5, None)] * 2


def test_wgan_gps_learning_rate_falls_to_zero_over_the_budget(composed):
    schedule = instantiate(composed("optimizer=adam_wgan_gp")["optimizer"]["schedule"])
    assert [schedule(seen) for seen in (0, 500, 1000, 2000)] == [1, 0.5, 0, 0]
