"""Odd file names and odd values of settings, and how many of them are tried."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

PIECES = ("a", " ", "~", "-", "[1]", "*", "?", "{x}", "${seed}", "'", '"', ",", "=", "\n", "(b)", "#", "%20", "\\",
          "cafe\u0301", "\u732b", "\udcff", ".", "x" * 60)
NUMBERS = ("0", "-1", "1e999", "-0.0", "nan", "inf", "-inf", "1_000", "9" * 400, "0x10", "1e-320", "2147483648")
ODD = ("", "null", "true", "[]", "[", "]", "{", "{a:", "[1,[2]]", "'", '"', "\\", "\x00", "a\x00b", "${seed}", "${",
       "${x:y}", "a,b", "=", "~", "x" * 5000, "caf\u00e9", "\udcff", "\n", "[null,nan]", "{a:1}")
VALUES = st.one_of(st.sampled_from(NUMBERS + ODD), st.text(max_size=8),
                   st.lists(st.sampled_from(ODD[:16] + NUMBERS[:6]), max_size=3).map("".join))


def _is_a_name(stem: str) -> bool:
    """What begins with a dot is left out on purpose."""
    return not stem.startswith(".") and len(f"{stem}.png".encode(errors="surrogateescape")) <= 255


STEMS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join).filter(_is_a_name)
NAMES = STEMS.map("{}.png".format)


def examples(count: int, derandomize: bool) -> settings:
    """`derandomize`: the same ones every time; else those of a seed"""
    return settings(max_examples=count, derandomize=derandomize, database=None, deadline=None,
                    suppress_health_check=list(HealthCheck))
