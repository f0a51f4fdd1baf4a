"""Hydra's own settings, and values that name what is not there."""

import re
import shlex

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.loggers import Logger

from saddlepoint import making
from saddlepoint.config.hydra_errors import UNRESOLVED, explain, unresolved
from saddlepoint.config.hydra_settings import refuse
from saddlepoint.config.overrides import parse, prepare
from saddlepoint.errors import RequestError
from tests.composing import composed


@pytest.mark.parametrize(("typed", "words"), [
    ("hydra.run.dir=x", "would have no effect: type run.dir=PATH"),
    ("hydra.run.dir=x -m", "would have no effect"),
    ("hydra.output_subdir=x", "a run's config.yaml has its settings"),
    ("hydra.job.chdir=true", "would have no effect: leave it out"),
    ("+hydra.job.num=3", "would have no effect"),
    ("hydra.verbose=true", "would have no effect"),
    ("hydra.mode=MULTIRUN", "type -m for a sweep"),
    ("hydra.sweep.dir=x", "has no effect without -m: add -m, or type run.dir=PATH"),
    ("hydra.launcher.jobs_at_once=2", "has no effect without -m: add -m"),
    ("hydra/launcher=basic", "has no effect without -m: add -m"),
    ("hydra.sweeper.trials=2", "has no effect without -m: add -m"),
])
def test_what_would_have_no_effect_is_refused(typed, words):
    with pytest.raises(RequestError, match=re.escape(words)):
        refuse(typed.split())


@pytest.mark.parametrize("typed", [
    "hydra.sweep.dir=x -m", "-m hydra.launcher.jobs_at_once=2", "hydra/launcher=basic --multirun", "seed=1",
    "+hydra.job.env_set.A=1", "hydra.searchpath=[x]", "hydra/job_logging=default hydra.verbose=true",
    "run.dir=hydra.run.dir",
])
def test_what_hydra_heeds_is_left_to_it(typed):
    refuse(typed.split())


def test_a_slip_in_a_setting_of_hydra_is_named_with_the_nearest():
    assert explain(Exception(), ["hydra.sweep.dirr=x", "-m"], "train") == (
        "hydra.sweep.dirr is not a setting: did you mean hydra.sweep.dir?")


@pytest.mark.parametrize(("root", "instead"), [
    ("x/${USER}/y", ["x/${USER}/y", "x/${oc.env:USER}/y", r"x/\${USER}/y"]),
    ("${nosuch}", ["${nosuch}", "${oc.env:nosuch}", r"\${nosuch}"]),
    ("x/${nosuch:1}", [r"x/\${nosuch:1}"]),
])
def test_a_variable_that_no_shell_replaced_is_answered_with_what_to_type(root, instead, monkeypatch):
    overrides = prepare(["data=image_folder", f"data.root={root}"], None)
    config, _ = composed(*overrides)
    with pytest.raises(OmegaConfBaseException) as error:
        OmegaConf.to_container(config, resolve=True)
    assert isinstance(error.value, UNRESOLVED)
    said = unresolved(error.value, overrides)
    words = [*re.findall(r"'data.root=[^']*'", said)]
    assert [shlex.split(word)[0] for word in words] == [f"data.root={each}" for each in instead[-2:]]
    if len(instead) > 1:
        assert f'double quotes around it, "data.root={instead[0]}"' in said
        monkeypatch.setenv(re.search(r"\w+", root.split("$")[1])[0], "me")
    read = [composed("data=image_folder", *prepare(shlex.split(word), None))[0].data.root for word in words]
    name = re.search(r"\$\{\w+\}", root)
    assert read == ([root.replace(name[0], "me")] if name else []) + [root]


def test_a_cut_off_interpolation_is_answered_too():
    overrides = prepare(["data=image_folder", "data.root=x/${"], None)
    with pytest.raises(Exception, match="Error merging override") as error:
        composed(*overrides)
    assert explain(error.value, overrides, "train").endswith(r"if its name holds ${, type 'data.root=x/\${'")


def test_what_is_still_to_be_given_is_said():
    overrides = prepare(["data=image_folder", "data.root=???"], None)
    config, _ = composed(*overrides)
    with pytest.raises(UNRESOLVED) as error:
        OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert unresolved(error.value, overrides) == "data.root=??? is still to be given: type a value"


@pytest.mark.parametrize("name", ["x/${USER}", r"a\${x}", "${", "plain", "ends\\", r"a\b${c}"])
def test_a_name_that_holds_an_interpolation_reaches_a_constructor(name):
    made = making.make({"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": name, "name": [name]},
                       Logger, "logger.csv")
    assert made.save_dir == name and made.name == [name]


def test_forgotten_m_is_said_without_a_list_that_paths_cannot_be():
    typed = prepare(["data.root='A','B'"], None)
    assert explain(Exception(), typed, "train") == (
        "data.root='A','B' has several values: add -m to try one after the other")
    assert parse(typed)[0].is_sweep_override()
