"""Names stay apart and fit, whatever the file system makes of them."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saddlepoint.files.atomic import write_atomically
from saddlepoint.files.json_files import write_json
from saddlepoint.files.names import append_number, distinct, shorten, temporary_for

NAMES = st.text("aAbéÉ.ß_2", min_size=1, max_size=3).map(lambda stem: f"{stem}.png")


def on_a_folding_system(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


@settings(max_examples=200, deadline=None)
@given(st.data(), st.lists(NAMES, max_size=6))
def test_names_never_meet_and_those_in_nobodys_way_stay(data, names):
    instead = [f"{data.draw(NAMES)}.jpg" for _ in names]
    reserved = data.draw(st.lists(NAMES, max_size=3))
    chosen = distinct(names, instead, reserved)
    seen = [on_a_folding_system(name) for name in chosen]
    assert len(set(seen)) == len(names) and not {*seen} & {on_a_folding_system(name) for name in reserved}
    everything = [on_a_folding_system(name) for name in [*names, *reserved]]
    for name, given_name in zip(names, chosen, strict=True):
        assert given_name == name or everything.count(on_a_folding_system(name)) > 1


@pytest.mark.parametrize(("names", "instead", "expected"), [
    (["a.png", "a.png"], ["a.bmp.png", "a.png.png"], ["a.bmp.png", "a.png.png"]),
    (["A.png", "a.png"], ["A.png.png", "a.png.png"], ["A.png", "a_2.png"]),
    (["a.png", "a.png", "a.bmp.png"], ["a.bmp.png", "a.gif.png", "b"], ["a.bmp_2.png", "a.gif.png", "a.bmp.png"]),
])
def test_the_longer_name_says_more_than_a_number(names, instead, expected):
    assert distinct(names, instead) == expected


def test_numbers_go_before_the_ending():
    assert append_number("a.b/c.tar.gz", 2) == "a.b/c.tar_2.gz"
    assert append_number("a.b/c", 3) == "a.b/c_3" and append_number("x.png", 1) == "x.png"


@pytest.mark.parametrize("letter", ["n", "é", "猫", "\U0001f600", "\udce9"])
def test_names_that_are_too_long_fit_and_stay_apart(letter):
    long = letter * 300
    one, other = shorten(f"{long}a.png"), shorten(f"{long}b.png")
    for name in (one, other, shorten(long), shorten(f"a.{long}")):
        assert 200 < len(os.fsencode(name)) <= 255
    assert one != other and one.endswith(".png") and shorten("short.png", added=246) == "short.png"


def test_files_of_the_longest_name_are_written_whole():
    path = Path("n" * 250 + ".json")
    write_json(path, {"a": 1})
    write_atomically(path, lambda temporary: temporary.write_text("b"))
    assert path.read_text() == "b" and [*Path().iterdir()] == [path]
    assert temporary_for(Path("a/b.png")) == Path(f"a/.b.png.tmp-{os.getpid()}")
