"""Names and paths survive the shell, Hydra and OmegaConf; every advice works when it is typed."""

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from saddlepoint.config import spelling
from saddlepoint.config.overrides import parse, prepare

HARD = ("café", "cafe\u0301", "猫", "tench, Tinca tinca", "crane (bird)", "a=b", "true", "False", "0.5", "-1", "1_000",
        "1e3", "[x]", "[a,b]", "[", "it's", 'say "x"', "'q'", '"q"', "'", "'a','b'", "C:\\x", "ends\\", "\\'", "${x}",
        "a\\${x}", "${", "$HOME", "two\nlines", "ends\\\n", " led", "trailed ", "null", "NULL", "all", "ALL", "a,b",
        "range(3)", "glob(*)", "a:b", "{a}", "~x", "`x`", "!x", "#x", "*", "?", "a;b|c&d", "nan", "+1", "@x", "%x", "0",
        "007")
NOT_PRINTABLE = ("\tx", "x\udce9y", "\x1b[0m", "\u200b", "it's\t")
ANY = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("'\"\\${}[](),=: ~?#*\n"), min_size=1)


def value(argument: str, *flags: str):
    """What a command is given for an argument, as Hydra and OmegaConf read it"""
    [prepared] = [each for each in prepare([argument, *flags], None) if each not in flags]
    [override] = parse([prepared])
    assert not override.is_sweep_override()
    return OmegaConf.to_container(OmegaConf.create({"value": override.value()}), resolve=True)["value"]


def class_asked_for(argument: str, *flags: str) -> str:
    """The name; None and `all` where it is no name"""
    found = value(argument, *flags)
    assert not isinstance(found, bool | float) and not (isinstance(found, int) and str(found) != argument[6:])
    return found[0] if isinstance(found, list) else None if found in (None, "all") else str(found)


@pytest.mark.parametrize("name", HARD)
def test_the_word_for_a_class_asks_for_that_class(name):
    [typed] = shlex.split(spelling.of_class("class", [name]))
    assert class_asked_for(typed) == class_asked_for(typed, "-m") == name
    [typed] = shlex.split(spelling.of_class("interpolate_class", [name, "dog"]))
    assert value(typed) == value(typed, "-m") == [name, "dog"] or name == "0" and value(typed) == [0, "dog"]


def test_a_shell_gives_the_words_back():
    names = [*HARD, *NOT_PRINTABLE]
    words = [spelling.of_class("class", [name]) for name in names]
    said = subprocess.run(["bash", "-c", f"printf '%s\\0' {' '.join(words)}".encode()], capture_output=True, check=True,
                          env={"LC_ALL": "C.UTF-8"}).stdout
    typed = [each.decode(errors="surrogateescape") for each in said.split(b"\0")[:-1]]
    assert [class_asked_for(each) for each in typed] == names


@given(ANY.filter(lambda name: name != spelling.MISSING))
@settings(max_examples=300, deadline=None)
def test_any_name_can_be_typed(name):
    word = spelling.of_class("class", [name])
    if not word.startswith("$'"):
        assert class_asked_for(shlex.split(word)[0]) == name
    assert value(f"interpolate_class={spelling.names([name])}") in ([name], [int(name)] if name.isdecimal() else None)
    assert value(f"class={spelling.names([name])}", "-m") in ([name], [int(name)] if name.isdecimal() else None)


@given(ANY)
@settings(max_examples=300, deadline=None)
def test_any_path_can_be_typed(path):
    quoted = spelling.quoted(spelling.without_interpolation(path))
    if path != spelling.MISSING:
        assert value(f"run={quoted}") == path
    if "${" not in path and path != "null" and not spelling.is_quoted(path) and "," not in path:
        assert value(f"run={path}") == path or path == spelling.MISSING


def test_a_name_that_no_word_can_say_is_said_by_number():
    assert spelling.of_class("class", [spelling.MISSING]) is None


@pytest.mark.parametrize(("typed", "parts"), [
    ("a,b", ["a", "b"]), ("'a,b', c,[d,e]", ["'a,b'", "c", "[d,e]"]), ("it's,b", ["it's", "b"]), ("a,", ["a", ""]),
    ("", [""]), ("'a'b,c", ["'a'b", "c"]), ("[a,b],[c]", ["[a,b]", "[c]"]), (r"'a\',b',c", [r"'a\',b'", "c"]),
])
def test_commas_in_quotes_and_lists_separate_nothing(typed, parts):
    assert spelling.separated(typed) == parts


def test_what_is_shown_stays_on_one_line():
    assert [spelling.shown(each) for each in ("cat", "a\nb", "a, b", " x", "\udce9")] == [
        "cat", "a\\nb", "'a, b'", "' x'", "\\udce9"]
