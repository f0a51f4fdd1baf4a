"""`make docs`: the site is built, fetches nothing from elsewhere, and a link that leads nowhere is refused."""

import importlib
import json
import re
import shlex
from pathlib import Path

import pytest

from docs.site import build, checking, docstrings, notebook, reference
from tests.composing import CONF, composed, groups, options
from tests.processes import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return build.build(where=tmp_path_factory.mktemp("where") / "site")


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page.read_text(encoding="utf-8")))


def test_the_site_has_all_pages_and_fetches_nothing_from_another_host(site):
    names = {str(file.relative_to(ROOT / "docs").with_suffix(".html")) for file in (ROOT / "docs").rglob("*.md")}
    pages = {str(file.relative_to(site)): file for file in site.rglob("*.html")}
    assert {"index.html", *names} <= {*pages}
    for page in pages.values():
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text(encoding="utf-8")):
            assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag), (page, tag)
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()[\s\"']*(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_docstrings_and_settings_are_on_its_pages(site):
    losses = text_of(site / "api" / "saddlepoint.losses.html")
    assert "D: E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] G: -E[D(G(z))]" in losses
    game = (site / "api" / "saddlepoint.game.html").read_text(encoding="utf-8")
    assert re.search(r"<li>\s*(<p>)?<code>discriminator_steps</code>: updates of D in a round", game)
    assert "# StyleGAN2 uses 16".strip("# ") in text_of(site / "settings" / "tricks.html")


def test_a_dead_link_a_missing_place_and_what_comes_from_elsewhere_are_problems(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#there">x</a><a href="https://example.org/">x</a><p id="here">')
    (tmp_path / "b.html").write_text('<h1 id="there"><a href="a.html#here">x</a><link rel="canonical" href="//h/b">')
    assert checking.problems(tmp_path) == []
    (tmp_path / "c.html").write_text('<a href="d.html">x</a><a href="b.html#where">x</a><img src="e.png">'
                                     '<script src="//cdn.example.org/x.js"></script><link href="https://f/x.css">')
    assert checking.problems(tmp_path) == [
        "c.html fetches //cdn.example.org/x.js", "c.html fetches https://f/x.css",
        "c.html links to b.html#where: the page has no such place",
        "c.html links to d.html, which does not exist", "c.html links to e.png, which does not exist"]


def test_links_lead_to_the_pages_that_files_have_in_the_site(tmp_path):
    for name in ("README.md", "docs/families/a.md", "docs/b.md", "conf/loss/hinge.yaml", "examples/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    pages, file = build.Pages(tmp_path), tmp_path / "docs" / "families" / "a.md"
    links = {"../b.md#c": "../b.md#c", "../../README.md": "../index.md", "https://d": "https://d", "#e": "#e",
             "../../conf/loss/hinge.yaml": "../settings/loss.md#hinge", "../../conf/loss": "../settings/loss.md",
             "../../examples/x.py": "../files/examples_x.py.md"}
    assert {link: pages.in_site(link, file, "families/a.md") for link in links} == links
    pages.add_shown_files()
    assert [*pages.texts] == ["files/examples_x.py.md"]
    with pytest.raises(SystemExit, match="docs/families/a.md links to ../c.md, which does not exist"):
        pages.in_site("../c.md", file, "families/a.md")


def test_the_navigation_has_a_place_for_each_page_and_only_one():
    pages = build.Pages(ROOT)
    pages.texts |= {"index.md": "", "settings/loss.md": "", "files/x.md": ""}
    assert build.with_navigation("nav:\n  - index.md\n  - Settings: settings/\n", pages) == (
        "nav:\n  - index.md\n  - Settings:\n      - settings/loss.md\n")
    for nav, problem in (("nav:\n  - Settings: settings/", "no place in `nav` for index.md"),
                         ("nav:\n  - index.md\n  - b.md\n  - Settings: settings/", "does not exist: b.md"),
                         ("nav:\n  - index.md\n  - index.md\n  - Settings: settings/", "more than once .* index.md")):
        with pytest.raises(SystemExit, match=problem):
            build.with_navigation(nav, pages)


# Pages that are made


def test_every_group_and_option_has_its_settings_on_a_page():
    pages = reference.settings_pages(CONF)
    for group in groups():
        for option in options(group):
            assert f"\n## {option}\n" in pages[f"settings/{group}.md"]


@pytest.mark.parametrize("typed", [example for _, example in reference.TYPED.values()])
def test_the_example_of_each_group_composes(typed):
    beside = {"data.digits.": "data=stacked_digits", "data.pair.": "data=photo_edges",
              "data.pair_pool": "experiment=real_esrgan_x4", "degradation": "experiment=real_esrgan_x4",
              "extractor": "extractor=classifier", "hydra.sweeper": "hydra/sweeper=search",
              "logger.wandb": "logger=wandb", "model.content": "experiment=srgan_x4"}
    command = "evaluate" if typed.startswith("quantisation") else "train"
    composed(*(choice for start, choice in beside.items() if typed.startswith(start)), *shlex.split(typed),
             config=command)


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_the_public_names_of_a_package_are_found_where_they_are(package):
    names = reference.public_names(ROOT / "src" / package.replace(".", "/"))
    assert sorted(names) == importlib.import_module(package).__all__
    for name, module in names.items():
        assert hasattr(importlib.import_module(f"{package}.{module}"), name)


def test_what_a_yaml_file_says_first_is_prose_with_its_commands_as_code():
    comment = "# @package _global_\n# A GAN (https://arxiv.org/abs/1).\n#   python train.py\n# Time: none.\n"
    assert reference.as_prose(comment) == "A GAN (<https://arxiv.org/abs/1>).\n\n    python train.py\n\nTime: none."


def test_a_notebook_is_shown_with_what_its_cells_printed_and_drew():
    data = {"text/plain": ["<Image>"], "image/png": "aGVsbG8=\n"}
    table = {"text/plain": "x", "text/html": ['<style scoped>b</style>\n<table class="d">\n', "  <tr></tr></table>"]}
    cells = [{"cell_type": "markdown", "source": ["# First\n", "steps"]}, {"cell_type": "raw", "source": "x"},
             {"cell_type": "code", "source": "run()\n", "outputs": [
                 {"output_type": "stream", "name": "stdout", "text": ["\x1b[1ma < b\x1b[0m\n"]},
                 {"output_type": "display_data", "data": data}, {"output_type": "execute_result", "data": table},
                 {"output_type": "error", "ename": "x"}]}]
    assert notebook.as_markdown(json.dumps({"cells": cells})).split("\n\n") == [
        "# First\nsteps", "```python\nrun()\n```", "<pre><code>a &lt; b</code></pre>",
        '<img alt="What the cell above drew" src="data:image/png;base64,aGVsbG8=">',
        "<div><table>\n  <tr></tr></table></div>\n"]


# Docstrings


def test_arguments_become_a_list_and_formulas_keep_their_lines():
    text = "D: E[a * b * c]\nG: E[<x>] of `<y>`\n\nlow, high: bounds of\n    a line\nseed: of all\nother: text"
    shown = docstrings.as_markdown(text, {"low", "high", "seed"}, 4)
    assert shown.splitlines() == [r"D: E[a \* b \* c]  ", r"G: E[&lt;x>] of `<y>`", "", "- `low`, `high`: bounds of",
                                  "    a line", "- `seed`: of all", "other: text"]


def test_a_line_that_was_full_goes_on():
    full = "word " * 22 + "end"
    assert docstrings.as_markdown(f"{full}\nsupercalifragilistic", set(), 4) == f"{full}\nsupercalifragilistic"
    assert docstrings.as_markdown("short\nline", set(), 4) == "short  \nline"
