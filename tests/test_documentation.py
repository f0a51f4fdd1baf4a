"""README and docs/: links lead somewhere, the commands of their code blocks can be typed, and the site is built."""

import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from docs.site import links
from saddlepoint.commands import recipe_refusals
from saddlepoint.config.check import checked_settings
from saddlepoint.config.overrides import is_sweeping, overrides_in, prepare
from saddlepoint.config.setting_rules import OF_COMMANDS
from tests.composing import CONF, composed, settings
from tests.processes import ROOT

STORED = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
COMMAND = re.compile(r"(\w+)\.py|saddlepoint-([a-z-]+)|saddlepoint\.commands\.(\w+)")
TARGETS = {"train": "train", "report": "compare", "upscale": "upscale"}  # of make, with settings in ARGS
# What cannot be composed here: what takes its choices from the reader's code or runs, or from packages of others.
OF_READERS = re.compile(r"mylab|exponential|NAME|submitit|launcher=ray|resume=runs")


@pytest.mark.parametrize("page", STORED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for link in filter(lambda link: not links.is_elsewhere(link), links.links(page.read_text(encoding="utf-8"))):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in links.anchors(target), f"{link}: {sorted(links.anchors(target))}"


def test_links_are_found_in_text_and_not_in_code():
    text = "[a](b.md) ![c](d.png) [![e](f.png)](g.md#h)\n`[no](x)`\n\n    [no](y)\n\n```\n[no](z)\n```\nend [i](j)"
    assert links.links(text) == ["b.md", "d.png", "g.md#h", "j"]
    assert links.replace_links("[a](b) `[a](b)`", str.upper) == "[a](B) `[a](b)`"


def test_an_anchor_is_one_that_the_site_and_forges_both_have(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One `two`\n## A & B\n```\n# no heading\n```\n### Super-resolution: `srgan_x4` ###\n")
    assert links.anchors(page) == {"one-two", "super-resolution-srgan_x4"}  # A & B: a-b and a--b


# The commands that pages print


def code_lines(text: str) -> Iterator[str]:
    """Yields the lines of a page's code blocks, a line that ends in a backslash joined with the next, and with the
    values of variables that a line above sets."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [*"\n".join(blocks).splitlines(), *re.findall(r"^(?: {4}|\t)(.*)", text, re.MULTILINE)]
    joined, variables = "", {}
    for line in lines:
        joined += line.removesuffix("\\").strip() + " "
        if line.endswith("\\"):
            continue
        if assigned := re.fullmatch(r'(\w+)="(.*)"', joined.strip()):
            variables[f"${assigned[1]}"] = assigned[2]
        for name, value in variables.items():
            joined = joined.replace(name, value)
        yield joined.strip()
        joined = ""


def as_typed(line: str) -> tuple[str, tuple[str, ...]] | None:
    """Returns the command of a line, such as `train`, and its arguments; None for what is no command of ours."""
    if not re.match(r"(\$ )?(python|torchrun|srun|saddlepoint-|make)", line):
        return None
    words = [word for word in shlex.split(line, comments=True) if word != "..."]
    if words[0] == "make":
        settings = dict(word.partition("=")[::2] for word in words[2:])
        return (TARGETS[words[1]], (*shlex.split(settings.get("ARGS", "")),)) if words[1] in TARGETS else None
    for number, word in enumerate(words):
        if name := COMMAND.fullmatch(word):
            command = next(filter(None, name.groups())).replace("-", "_")
            return (command, (*words[number + 1:],)) if (CONF / f"{command}.yaml").is_file() else None
    return None


@cache
def printed(refused: bool = False) -> list[tuple[str, tuple[str, ...]]]:
    """Returns (command, its arguments) of the lines that pages print, each once. A line after a prompt is refused."""
    found = {}
    for page in STORED:
        for line in code_lines(page.read_text(encoding="utf-8")):
            typed = as_typed(line)
            if typed and not OF_READERS.search(line) and line.startswith("$ ") == refused and len(typed[1]) > 1:
                found.setdefault(typed, page)
    return [*found]  # a single choice is composed and trained in tests/config/test_configs.py


def without_a_sweep(arguments: Sequence[str]) -> list[list[str]]:
    """Returns the settings, and those of a sweep twice: with the first value of each, and with the last."""
    if not is_sweeping(arguments):
        return [overrides_in([*arguments])]
    values = []
    for override in OverridesParser.create().parse_overrides(overrides_in(prepare([*arguments], None))):
        if override.is_interval_sweep():
            values.append([f"{override.get_key_element()}={override.value().start:g}"])
        elif override.is_sweep_override():
            values.append([f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            values.append([override.input_line])
    return [[each[place] for each in values] for place in (0, -1)]


@pytest.mark.parametrize(("command", "arguments"), printed(), ids=str)
def test_every_command_that_a_page_prints_can_be_typed(command, arguments):
    for overrides in without_a_sweep(arguments):
        if command == "train":
            assert recipe_refusals.problems_of(settings(*overrides)) == []
        else:
            checked_settings(composed(*overrides, config=command)[0], OF_COMMANDS.get(command))


@pytest.mark.parametrize(("command", "arguments"), printed(refused=True), ids=str)
def test_a_refusal_that_a_page_shows_is_one(command, arguments):
    assert recipe_refusals.problems_of(settings(*arguments))
