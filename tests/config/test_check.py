"""Refusals of single settings: one sentence each, all of them at once, without torch."""

import subprocess
import sys

import pytest

from saddlepoint.config.rules import either, integer, list_of, number, one_of, optional
from saddlepoint.errors import RequestError
from tests.composing import settings


@pytest.mark.parametrize(("override", "sentence"), [
    ("budget.images=0", "budget.images=0 must be a whole number of at least 1"),
    ("budget.images=1.5", "budget.images=1.5 must be a whole number of at least 1"),
    ("data.batch_size=abc", "data.batch_size=abc must be a whole number of at least 1"),
    ("data.batch_size=null", "data.batch_size=null must be a whole number of at least 1"),
    ("data.batch_size=true", "data.batch_size=true must be a whole number of at least 1"),
    ("optimizer.generator.lr=nan", "optimizer.generator.lr=nan must be a number above 0"),
    ("optimizer.generator.lr=inf", "optimizer.generator.lr=inf must be a number above 0"),
    ("optimizer.generator.lr=-1", "optimizer.generator.lr=-1 must be a number above 0"),
    ("optimizer.discriminator.betas=[0.5]", "optimizer.discriminator.betas=[0.5] must be a list of 2 values"),
    ("optimizer.discriminator.betas=[0.5,1.0]", "each a number at least 0 and below 1"),
    ("model.discriminator.normalization=batchnorm", "must be one of none, batch, layer, instance: did you mean batch?"),
    ("model.turns.scoring=halves", "did you mean half?"),
    ("tricks.label_smoothing.real=1.2", "tricks.label_smoothing.real=1.2 must be a number at least 0 and at most 1"),
    ("tricks.instance_noise.sigma.images=0", "sigma.images=0 must be a whole number of at least 1"),
    ("seed=-1", "seed=-1 must be a whole number from 0"),
    ("trick=emma", "trick=emma does not exist: did you mean ema?"),
    ("trick=[ema,ema]", "trick=ema is given twice"),
    ("+data.chanels=3", "data.chanels=3 must be removed: it is not a setting of MNIST5k: did you mean data.channels?"),
    ("+trainer.max_epoch=3", "trainer.max_epoch=3 must be removed"),
    ("+optimizer.generator.weight_decoy=nan", "weight_decoy=nan must be finite"),
])
def test_a_wrong_setting_is_refused_with_what_it_must_be(override, sentence):
    with pytest.raises(RequestError) as refusal:
        settings(override)
    assert sentence in str(refusal.value)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(RequestError) as refusal:
        settings("budget.images=0", "seed=x", "trick=emma")
    assert len(str(refusal.value).splitlines()) == 3


def test_a_schedule_may_replace_a_number_and_a_number_a_schedule():
    made = settings("tricks.instance_noise.sigma=0.2", "optimizer=adam_wgan_gp", "optimizer.schedule=0.5")
    assert made["tricks"]["instance_noise"]["sigma"] == 0.2
    assert made["optimizer"]["schedule"] == 0.5


def test_a_single_trick_may_be_typed_without_brackets():
    assert settings("trick=ema")["trick"] == settings("trick=[ema]")["trick"] == ["ema"]


def test_rules_say_what_a_value_must_be():
    assert integer(1, 5)(5) is None and "from 1 to 5" in integer(1, 5)(6)
    assert number(0, 1)(1) is None and number(0, 1, below=True)(1) == "a number at least 0 and below 1"
    assert optional(integer(1))(None) is None and optional(integer(1))(0).endswith(", or null")
    assert one_of("a", None)(None) is None and one_of(1, 4)(4) is None
    assert one_of(1, 4)(4.0) == one_of(1, 4)(True) == "one of 1, 4"
    assert number()(10**300) is None and number()(10**400) == "a finite number"  # no float is as large
    assert either(number(), list_of(number()))([1.0, 2]) is None
    assert either(number(), integer(1))("x") == "a finite number, or a whole number of at least 1"
    assert list_of(integer(0), empty=True)([]) is None and list_of(integer(0))([])


def test_the_check_imports_no_torch():
    modules = "saddlepoint.commands.command_line, saddlepoint.config.check, saddlepoint.errors"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
