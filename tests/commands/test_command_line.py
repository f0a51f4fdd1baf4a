"""What happens to a command line before Hydra reads it, and to the line a refusal proposes."""

import re
import shlex
from pathlib import Path

import pytest
from hydra.errors import HydraException, OverrideParseException

from saddlepoint.commands.command_line import line, refuse_arguments, reported
from saddlepoint.config.hydra_errors import explain
from saddlepoint.config.overrides import parse, prepare, quote_path
from saddlepoint.errors import RequestError, Stopped


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
    Path("[x]").touch()  # else data.root=[x] would be a list
    for name in ("data.root", "run.dir", "run", "output", "input", "weights", "upscale"):
        [override] = parse([quote_path(f"{name}={path}")])
        assert override.value() == path
        assert not override.is_sweep_override()


def test_other_values_and_quoted_ones_are_left_alone():
    for typed in ("model=dcgan,mlp", "trick=[r1,ema]", "output='a b.png'", "output=null", "run="):
        assert quote_path(typed) == typed


@pytest.mark.parametrize(("arguments", "words"), [
    (["~logger"], "~logger removes a setting"),
    (["seed"], "seed is not a setting: settings are written name=value"),
    (["logger=null"], "logger=null is not a choice: logger= takes"),
    (["loss=[hinge,minimax]"], "hinge, least_squares, minimax"),
    (["loss=[hinge,minimax]"], "to try one after the other, type loss=hinge,minimax -m"),
    (["--cfg", "job", "-m"], "--cfg -m exclude each other"),
])
def test_what_hydra_answers_with_a_traceback_or_mistakes_is_refused_before(arguments, words):
    with pytest.raises(RequestError, match=re.escape(words)):
        refuse_arguments(arguments)
    refuse_arguments(["seed=1", "--cfg", "job", "--package", "model"])


def test_a_list_without_brackets_is_told_both_ways_out():
    said = explain(HydraException("ambiguous"), ["trick=r1,ema"], "train")
    assert said == ("trick=r1,ema has several values: type 'trick=[r1,ema]' for a list, or add -m to try one after the "
                    "other")


@pytest.mark.parametrize(("typed", "command", "said"), [
    ("data=mnist", "evaluate", "data=mnist: evaluate.py has no setting data (see --help); it takes that of the run"),
    ("model=dcgan", "compare", "model=dcgan: compare.py has no setting model (see --help)"),
    ("data/pair=holes", "train", "data/pair=holes: data=mnist5k has no data.pair: type one that has, data="),
    ("data/pair=hole", "train", "data/pair=hole: data=mnist5k has no data.pair"),
    ("extractor=digit", "evaluate", "extractor=digit does not exist: did you mean digits?"),
])
def test_a_choice_that_only_train_has_is_told_from_a_slip(typed, command, said):
    assert explain(HydraException("x"), [typed], command).startswith(said)


def test_a_path_is_not_blamed_for_another_settings_slip():
    said = explain(HydraException("x"), ["data.root=a (1)", "trick=[r1", "-m"], "train")
    assert said.startswith("trick=[r1 cannot be read")


def test_a_stop_ends_a_sweep_and_a_refusal_does_not(capsys):
    with reported():
        raise RequestError("this job cannot be")
    with pytest.raises(BaseException) as ended, reported():
        raise Stopped("enough", 143)
    assert not isinstance(ended.value, Exception)  # Hydra catches every Exception and goes on
    assert capsys.readouterr().err == "this job cannot be\nenough\n"


def test_a_broken_setting_is_hydras_to_refuse():
    with pytest.raises(OverrideParseException):
        prepare(["trick=[r1", "-m"], "seed=0,1,2")


def test_the_line_to_type_changes_what_it_must_and_survives_a_shell():
    typed = line("train", ["model=dcgan", "trick=[ema]", "data.root='a b'"], {"trick": ["ema", "r1"], "a.b": None})
    assert shlex.split(typed) == ["python", "train.py", "model=dcgan", "data.root='a b'", "trick=[ema,r1]", "a.b=null"]
