"""Paths as they are typed: home folders, empty ones, and what no path can be."""

import os
from pathlib import Path

import pytest

from saddlepoint.commands.command_line import reported
from saddlepoint.config.check import checked_settings
from saddlepoint.config.overrides import PATH_SETTINGS, prepare, quote_path
from saddlepoint.config.setting_rules import OF_COMMANDS, rule_for
from saddlepoint.config.signatures import signature_of
from saddlepoint.config.typed_paths import expanded, is_there, must_be
from saddlepoint.errors import RequestError
from tests.composing import composed

SOMEBODY = "nobody-of-this-name"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_home_folders_are_those_of_the_shell(home):
    assert expanded("~/x", "run") == home / "x" and expanded("~", "run") == home
    assert expanded("x/~", "run") == Path("x/~")
    assert expanded(f"~{SOMEBODY}.png", "input") == Path(f"~{SOMEBODY}.png")  # a shell leaves it as well
    Path(f"~{SOMEBODY}").mkdir()
    assert expanded(f"~{SOMEBODY}/x", "run") == Path(f"~{SOMEBODY}/x")


@pytest.mark.parametrize(("typed", "words"), [
    ("", "run= must be a path, and it is empty"),
    (" \t", "must be a path, and it is empty"),
    (f"~{SOMEBODY}/x", f"must be a path, and no user is called {SOMEBODY} here"),
    ("a" * 300, "must be a shorter path"),
    ("a/" * 3000, "must be a shorter path"),
    ("a\0b", "must be a path without the character NUL"),
    ("loop/x", "must be a path that can be looked at here"),
])
def test_what_can_be_no_path_is_refused_in_a_sentence(typed, words):
    with pytest.raises(RequestError, match=words):
        expanded(typed, "run")
    assert not is_there(typed)


@pytest.mark.parametrize("typed", ["file", ".", "new/folder", "a (1)", "x\udce9", "*.png", "a" * 255])
def test_other_paths_are_left_to_who_opens_them(typed):
    assert must_be(typed) is None and expanded(typed, "run") == Path(typed)
    assert is_there(typed) == os.path.lexists(typed)


def test_every_setting_that_is_a_path_has_the_rule_of_paths():
    """A list that both know: what is quoted as a path is checked as one, and the other way round."""
    of_sweeps, of_two_kinds = {"hydra.sweep.dir"}, {"weights"}  # refused before Hydra; upscale.py's, evaluate.py's
    of_classes = {"data.root", "data.cache", "data.low_root", "data.validation_root", "extractor.weights",
                  "perceptual.weights"}
    of_two_folders = {"data.source_root", "data.validation_source_root"}
    of_arrays = {"data.labels"}
    wanted = {*PATH_SETTINGS} - of_sweeps - of_two_kinds - of_classes - of_two_folders - of_arrays
    assert all("a path" in (rule_for(setting)(" ") or "") for setting in wanted)
    settings = composed("data=sr_folder", "extractor=inception", "model=srgan", "perceptual=vgg19")[0]
    for setting in of_classes:
        part, _, name = setting.partition(".")
        assert "a path" in signature_of(settings[part]["_target_"]).arguments[name].rule(" ")
    arguments = signature_of(composed("data=paired_folders")[0].data["_target_"]).arguments
    assert all("a path" in arguments[setting.partition(".")[2]].rule(" ") for setting in of_two_folders)
    assert "a path" in signature_of(composed("data=array")[0].data["_target_"]).arguments["labels"].rule(" ")
    assert "a path" in OF_COMMANDS["upscale"]["weights"]("")


@pytest.mark.parametrize(("command", "typed"), [
    ("train", ("data=image_folder", "data.root=")), ("train", ("data=sr_folder", "data.low_root= ")),
    ("train", ("run.dir=",)), ("train", ("resume=",)), ("sample", ("run=",)), ("sample", ("run=x", "upscale= ")),
    ("evaluate", ("real=",)), ("compare", ("runs=",)), ("compare", ("runs=[a,'']",)), ("compare", ("page= ",)),
    ("upscale", ("input=",)), ("train_classifier", ("output=",)), ("train", ("logger=csv", "logger.csv.name=")),
])
def test_an_empty_path_is_refused_by_every_command(command, typed):
    config, _ = composed(*map(quote_path, typed), config=command)
    with pytest.raises(RequestError, match="empty"):
        checked_settings(config)


def test_a_database_in_a_home_folder_is_asked_for_by_its_path(home):
    rule = rule_for("logger.mlflow.tracking_uri")
    assert rule("sqlite:///~/runs.db") == f"an address without ~, e.g. sqlite:///{home}/runs.db"
    assert rule(f"sqlite:///{home}/runs.db") is rule("sqlite:///runs.db") is rule("http://localhost:5000") is None


def test_a_name_that_is_too_long_with_our_ending_is_a_sentence(capsys):
    with reported():
        Path("a" * 255 + ".neighbours.png").stat()
    assert capsys.readouterr().err.endswith(".neighbours.png cannot be used: File name too long. Type a shorter name\n")


def test_a_sweeps_directory_is_in_the_home_folder_before_hydra_makes_it(home):
    assert prepare(["hydra.sweep.dir=~/my sweeps", "-m"], None)[0] == f"hydra.sweep.dir='{home}/my sweeps'"
    assert prepare(["hydra.sweep.dir=here", "-m"], None)[0] == "hydra.sweep.dir='here'"
    for typed in ("hydra.sweep.dir=", "hydra.sweep.dir= ", "hydra.sweep.dir=null"):
        with pytest.raises(RequestError, match=r"hydra.sweep.dir=.* must be"):
            prepare([typed, "-m"], None)


@pytest.mark.parametrize(("typed", "prepared"), [
    ("data.root=A,B", "data.root='A','B'"),
    ("data.root=a (1),~/c", "data.root='a (1)','~/c'"),
    ("data.root='b,2',A", "data.root='b,2','A'"),
    ("data.root=b,2", "data.root='b,2'"),  # it is there, and 2 is not
    ("data.root='A','new'", "data.root='A','new'"),
    ("weights=ema,raw", "weights='ema','raw'"),
    ("runs=A,B", "runs='A,B'"),
    ("data.root=choice(A,B)", "data.root=choice(A,B)"),
    ("class=cat,crane (bird)", "class=cat,'crane (bird)'"),
    ("interpolate_class=[cat,a b],[cat,dog]", "interpolate_class=[cat,'a b'],[cat,dog]"),
])
def test_commas_of_a_sweep_stand_between_paths(home, typed, prepared):
    for folder in ("A", "B", "a (1)", "b,2", "home/c"):
        Path(folder).mkdir()
    assert prepare([typed, "-m"], None) == [prepared, "-m"]
    assert prepare([prepared, "-m"], None) == [prepared.replace("'crane (bird)'", "['crane (bird)']"), "-m"]


@pytest.mark.parametrize(("folders", "words"), [
    (("A",), "does not exist, and of its parts B does not"),
    ((), "does not exist, and of its parts A and B do not"),
    (("A", "B", "A,B"), "is there, and so are A and B"),
])
def test_a_path_that_may_be_several_is_asked_about_with_both_spellings(folders, words):
    for folder in folders:
        Path(folder).mkdir()
    with pytest.raises(RequestError, match=words) as refused:
        prepare(["data.root=A,B", "-m"], None)
    several, one = "data.root='A','B'", "data.root='A,B'"
    assert f'type "{several}" for several' in str(refused.value) and f'or "{one}" for one' in str(refused.value)
    assert prepare([several, "-m"], None)[0] == several and prepare([one, "-m"], None)[0] == one
