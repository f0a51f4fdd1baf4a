"""compare.py from its settings to what it prints and writes; what it refuses."""

import json
import os
import shutil
import sys

import pytest

from saddlepoint.commands import comparing as command
from saddlepoint.commands.streams import Unfailing
from saddlepoint.comparison import published
from saddlepoint.config.check import checked_settings
from saddlepoint.config.overrides import parse, quote_path
from saddlepoint.errors import RequestError
from saddlepoint.metrics.comparable import greater_is_better
from tests.composing import CONF, composed, options
from tests.runs.made_runs import make_run, score

PUBLISHED = CONF / "published.yaml"


def compare(*overrides: str) -> None:
    typed = [quote_path(override) for override in (f"published={PUBLISHED}", *overrides)]
    command.compare(checked_settings(composed(*typed, config="compare")[0]))


def two_rows(path):
    for seed in range(3):
        make_run(path / f"a{seed}", score(value=10.0 + seed), seed=seed)
        make_run(path / f"b{seed}", score(value=20.0 + seed * seed), seed=seed, trick=["r1"], choices={"loss": "hinge"})


def test_a_table_is_printed_and_three_files_are_written(tmp_path, capsys):
    two_rows(tmp_path / "runs (1)")
    compare(f"runs={tmp_path / 'runs (1)'}", "baseline=loss=hinge", "metric=fid", f"output={tmp_path / 'out' / 't'}")
    printed = capsys.readouterr().out
    assert "11.0 (1.0) [8.5, 13.5]*" in printed and "Δ is the difference to row 2" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["t.csv", "t.md", "t.tex"]
    assert "| 11.0 (1.0)" in (tmp_path / "out" / "t.md").read_text().replace("**", "")


def test_a_table_on_a_terminal_does_not_wait_for_what_writes_files(tmp_path, monkeypatch, capsys):
    two_rows(tmp_path / "runs")
    for slow in ("pandas", "jinja2", "plotly.offline", "saddlepoint.comparison.report.page"):
        monkeypatch.setitem(sys.modules, slow, None)  # importing it raises
    compare("runs=runs", "baseline=1")
    assert "fid_digits" in capsys.readouterr().out
    with pytest.raises(ImportError):
        compare("runs=runs", "page=p.html")


def test_a_reader_who_stops_reading_ends_nothing(tmp_path, monkeypatch):
    two_rows(tmp_path / "runs")
    read, write = os.pipe()
    os.close(read)
    with Unfailing(os.fdopen(write, "wb")) as nobody_reads:
        monkeypatch.setattr(sys, "stdout", nobody_reads)
        compare("runs=runs", "output=t")
    assert (tmp_path / "t.md").is_file()


@pytest.mark.parametrize("typed", ["output=taken/t", "page=taken/p.html", "output=/proc/t", "page=/proc/p.html",
                                   f"output={'n' * 300}", f"page={'n' * 300}.html"])
def test_a_place_that_cannot_be_written_is_refused_before_a_run_is_read(typed, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(command, "gather_runs", None)
    with pytest.raises(RequestError, match=f"^{typed} (cannot be written: |must be a shorter path)"):
        compare("runs=runs", typed)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_nothing_is_written_unless_asked(tmp_path):
    two_rows(tmp_path / "runs")
    before = sorted(tmp_path.rglob("*"))
    compare(f"runs={tmp_path}")
    assert sorted(tmp_path.rglob("*")) == before


def test_several_directories_are_a_list_and_globs_reach_us_as_typed(tmp_path, capsys):
    two_rows(tmp_path)
    compare(f"runs=[{tmp_path / 'a0'},{tmp_path / 'b0'}]")
    assert "\n  2  " in capsys.readouterr().out
    [override] = parse([quote_path("runs=multirun/2026*/[01],b")])
    assert override.value() == "multirun/2026*/[01],b"


@pytest.mark.parametrize(("overrides", "words"), [
    ([], "runs=null: name what to compare"),
    (["runs=nowhere"], "runs=nowhere holds no run.*\n  - nowhere does not exist"),
    (["runs=a,b"], r"type|written as a list: 'runs=\[a,b\]'"),
    (["runs=runs", "output=t.md"], "output=t.md is written without its ending: type output=t$"),
    (["runs=runs", "output=runs"], "output=runs is a directory: type output=runs/table"),
    (["runs=runs", "output=old"], "old.csv exists: choose another output=, or add overwrite=true"),
    (["runs=runs", "value=lst"], "value=lst must be one of last, best: did you mean last"),
    (["runs=runs", "value=0"], "value=0 must be"),
    (["runs=runs", "published=none.yaml"], "published=none.yaml cannot be used: none.yaml is missing"),
    (["runs=runs", "published=mine.yaml"], "published=mine.yaml: entry 1 must have exactly metric, protocol"),
    (["runs=runs", "output=old.csv/x/y"], "output=old.csv/x/y cannot be written"),
])
def test_what_cannot_be_done_is_refused_in_a_sentence(tmp_path, overrides, words):
    two_rows(tmp_path / "runs")
    (tmp_path / "old.csv").write_text("mine")
    (tmp_path / "mine.yaml").write_text("published: [{metric: fid}]")
    with pytest.raises(RequestError, match=words):
        compare(*overrides)
    assert (tmp_path / "old.csv").read_text() == "mine"


def test_overwriting_replaces_all_three(tmp_path):
    two_rows(tmp_path / "runs")
    (tmp_path / "old.csv").write_text("mine")
    compare("runs=runs", "output=old", "overwrite=true")
    assert (tmp_path / "old.csv").read_text().startswith("row,")


def test_spoilt_runs_never_end_it(tmp_path, capsys):
    """Each file of a run missing, empty, cut off at many places, or of the wrong kind."""
    make_run(tmp_path / "good", seed=9)
    whole = make_run(tmp_path / "whole", curve=[{"images_seen": 48000, "quality/fid_digits": 10.0}])
    number = 0
    for file in ("config.yaml", "status.json", "environment.json", "metrics.json", "metrics.csv"):
        text = (whole / file).read_text()
        cuts = [text[:place] for place in range(0, len(text), max(1, len(text) // 12))]
        for content in (None, "[]", "null", "7", "\0\xff", "{}", *cuts):
            spoilt = tmp_path / "spoilt" / str(number)
            number += 1
            shutil.copytree(whole, spoilt)
            (spoilt / file).unlink()
            if content is not None:
                (spoilt / file).write_bytes(content.encode("latin-1"))
    for value in ("last", "best", "48000"):
        compare(f"runs={tmp_path}", f"value={value}", "baseline=1", f"output={tmp_path / value}")
        assert "config.yaml is missing" in capsys.readouterr().out


def test_values_of_odd_types_never_end_it(tmp_path):
    odd = [None, 3, "x", [], {}, True, -1, [[1]], {"a": {"b": None}}]
    for number, value in enumerate(odd):
        path = make_run(tmp_path / "runs" / str(number), seed=number, **{"loss__reduction": value})
        for file, keys in (("status.json", ("state", "reason", "images_seen")),
                           ("metrics.json", ("metrics", "best", "cost")),
                           ("environment.json", ("versions", "process", "host", "threads", "revision"))):
            content = json.loads((path / file).read_text())
            (path / file).write_text(json.dumps(content | {keys[number % len(keys)]: value}))
        content = json.loads((path / "metrics.json").read_text())
        if isinstance(content["metrics"], list) and content["metrics"] and isinstance(content["metrics"][0], dict):
            content["metrics"].append({"name": "fid_odd", "value": 1.0, "images_seen": value, "interval": value,
                                       "protocol": value})
        (path / "metrics.json").write_text(json.dumps(content))
    for value in ("last", "best", "48000"):
        compare(f"runs={tmp_path / 'runs'}", f"value={value}", f"output={tmp_path / value}")


EXTRACTORS = ("inception", "mixture", "stacked_digits")  # papers have a classifier of digits of their own
PAPERS_METRICS = ("psnr", "ssim", "modes_", "mode_kl_", "high_quality_")


def test_the_published_values_name_experiments_that_exist_and_never_a_network_of_ours():
    known = published.read(PUBLISHED)
    for each in known:
        assert each.where["experiment"] in options("experiment")
        assert each.source and each.metric.startswith(PAPERS_METRICS) or each.metric.endswith("_inception")
        extractor = next((name for name in EXTRACTORS if each.metric.endswith(f"_{name}")), "")
        assert greater_is_better(each.metric, extractor) is not None
        assert each.summary.count >= 1 if each.tolerance is None else each.tolerance > 0

