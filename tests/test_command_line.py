"""What happens to a command line before Hydra reads it, and to the line a refusal proposes."""

import shlex

import pytest
from hydra.errors import OverrideParseException

from saddlepoint.command_line import line, parse, prepare, quote_path


@pytest.mark.parametrize(("typed", "swept"), [
    (["-m"], ["seed=0,1,2"]),
    (["model=dcgan", "data=cifar10", "-m"], ["seed=0,1,2"]),
    (["--multirun", "trick=[r1,ema]"], ["seed=0,1,2"]),
    (["model=dcgan,mlp", "-m"], []),
    (["trick=[],[r1]", "-m"], []),
    (["seed=range(3)", "-m"], []),
    (["optimizer.generator.lr=interval(1e-5,1e-3)", "-m"], []),
    (["seed=5", "-m"], []),
    (["hydra/sweeper=optuna", "-m"], []),
    (["model=dcgan"], []),
])
def test_a_bare_m_sweeps_seeds_and_any_other_sweep_stays_as_it_is(typed, swept):
    prepared = prepare(typed, "seed=0,1,2")
    assert sorted(prepared) == sorted([*typed, *swept])


def test_settings_may_be_typed_on_either_side_of_a_flag():
    assert prepare(["model=dcgan,mlp", "-m", "seed=1", "--cfg", "job"], None) == [
        "model=dcgan,mlp", "seed=1", "-m", "--cfg", "job"]


@pytest.mark.parametrize("path", [
    "photo (1).png", "a,b.png", "a=b", "{x}", "[x]", "it's", 'say "x"', "a$b", "ü ñ", "C:\\x\\y", "ends\\", "a:b",
    "~/x", "null.png", "back\\'slash", "  spaced  ",
])
def test_a_path_reaches_hydra_as_it_was_typed(path):
    for name in ("data.root", "run.dir", "run", "output"):
        [override] = parse([quote_path(f"{name}={path}")])
        assert override.value() == path
        assert not override.is_sweep_override()


def test_other_values_and_quoted_ones_are_left_alone():
    for typed in ("model=dcgan,mlp", "trick=[r1,ema]", "output='a b.png'", "output=null", "run="):
        assert quote_path(typed) == typed


def test_a_broken_setting_is_hydras_to_refuse():
    with pytest.raises(OverrideParseException):
        prepare(["trick=[r1", "-m"], "seed=0,1,2")


def test_the_line_to_type_changes_what_it_must_and_survives_a_shell():
    typed = line("train.py", ["model=dcgan", "trick=[ema]", "data.root='a b'"], {"trick": ["ema", "r1"], "a.b": None})
    assert shlex.split(typed) == ["python", "train.py", "model=dcgan", "data.root='a b'", "trick=[ema,r1]", "a.b=null"]
