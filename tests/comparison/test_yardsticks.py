"""Published values of other systems below ours: which belong to a column, which compare, and that ours are told."""

import pytest

from saddlepoint.claims.entries import is_greater_better
from saddlepoint.commands import comparing as command
from saddlepoint.comparison import yardsticks
from saddlepoint.comparison.report.page import page
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.config.check import checked_settings
from saddlepoint.errors import RequestError
from saddlepoint.runs.gathering import gather
from tests.composing import CONF, composed, options
from tests.runs.made_runs import make_run, score

PUBLISHED = CONF / "published.yaml"
FILE = """published: []
yardsticks:
  - {data: cifar10, metric: fid_inception, protocol: {name: adm}, source: One, values: {Worse: 9.5, Better: 3}}
  - {data: [CIFAR10, other], metric: fid_inception, protocol: {num_fake: 5}, source: Two, values: {Fewest: 1}}
  - {data: cifar10, metric: is_inception, protocol: {}, source: Three, values: {Best: 9, Second: 8}}
  - {data: cifar100, metric: fid_inception, protocol: {name: adm}, source: Four, values: {Elsewhere: 2}}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "published.yaml").write_text(FILE)
    return tmp_path / "published.yaml"


def runs(path, **protocol):
    told = {"extractor": "inception", "reference": "cifar10"} | protocol
    scores = [score(metric, 5.0) for metric in ("fid_inception", "is_inception")]
    for each in scores:
        each["protocol"] |= told
    make_run(path / "a", *scores)
    return gather([path])


def test_values_of_our_protocol_come_first_and_each_list_begins_with_the_best(file, tmp_path):
    table = tabulate(runs(tmp_path / "runs", name="adm").runs, Question())
    distances, scores = sorted(yardsticks.yardsticks_of(table, yardsticks.read(file)), key=lambda each: each.title)
    assert distances.title == "published fid_inception on cifar10"
    assert [(each.system, distances.protocol_of(each)) for each in distances.entries] == [
        ("Better", "as ours"), ("Worse", "as ours"), ("Fewest", "num fake 5")]
    assert [(each.system, scores.protocol_of(each)) for each in scores.entries] == [
        ("Best", "not told"), ("Second", "not told")]
    assert [*yardsticks.lines([distances, scores])] == [
        "published fid_inception on cifar10: Better 3; Worse 9.5; 1 of other protocols, which do not compare: output= "
        "and page= list them",
        "published is_inception on cifar10: 2 of other protocols, which do not compare: output= and page= list them"]


def test_a_measurement_that_followed_no_protocol_compares_by_the_fields_that_are_told(file, tmp_path):
    table = tabulate(runs(tmp_path / "runs", num_fake=5).runs, Question(metric=["fid"]))
    [group] = yardsticks.yardsticks_of(table, yardsticks.read(file))
    assert [(each.system, group.protocol_of(each)) for each in group.entries] == [
        ("Fewest", "as ours"), ("Better", "protocol adm"), ("Worse", "protocol adm")]


def test_columns_that_they_compare_with_alike_share_them_and_others_have_their_own(file, tmp_path):
    for seed, (protocol, fakes) in enumerate((("adm", 5), ("adm", 6), ("clean", 7), ("clean", 8))):
        measured = score("fid_inception", 5.0, extractor="inception", reference="cifar10", num_fake=fakes)
        measured["protocol"]["name"] = protocol
        make_run(tmp_path / f"run{seed}", measured, seed=seed)
    table = tabulate(gather([tmp_path]).runs, Question())
    assert [column.protocol["num_fake"] for column in table.columns] == [5, 6, 7, 8]
    groups = yardsticks.yardsticks_of(table, yardsticks.read(file))
    assert [group.title for group in groups] == [f"published fid_inception [{letters}] on cifar10"
                                                 for letters in ("A", "B", "C, D")]
    assert [[each.system for each in group.as_ours] for group in groups] == [
        ["Fewest", "Better", "Worse"], ["Better", "Worse"], []]
    assert yardsticks.sheet(groups[2]).header[1].words == "fid_inception [C, D] ↓"


def test_other_data_and_other_extractors_have_none(file, tmp_path):
    table = tabulate(runs(tmp_path / "runs", reference="mnist5k", name="adm").runs, Question())
    assert yardsticks.yardsticks_of(table, yardsticks.read(file)) == []
    make_run(tmp_path / "more" / "a", score("fid_digits", 5.0, reference="cifar10"))
    table = tabulate(gather([tmp_path / "more"]).runs, Question())
    assert yardsticks.yardsticks_of(table, yardsticks.read(file)) == []


def test_they_are_told_in_every_format(file, tmp_path, capsys):
    gathered = runs(tmp_path / "runs", name="adm")
    typed = f"runs={tmp_path / 'runs'}", f"published={file}", f"output={tmp_path / 'table'}"
    settings = checked_settings(composed(*typed, config="compare")[0])
    command.compare(settings)
    assert "published fid_inception on cifar10: Better 3; Worse 9.5; 1 of other" in capsys.readouterr().out
    for ending, line in ((".md", "| Better | 3 | as ours | One |"), (".tex", r"Better & 3 & as ours & One \\")):
        assert line in (tmp_path / f"table{ending}").read_text()
    assert "Better" not in (tmp_path / "table.csv").read_text()
    frame = command.compare_as_frame(settings | {"output": None})
    assert [each["system"] for each in frame.attrs["published"] if each["as_ours"]] == ["Better", "Worse"]
    table = tabulate(gathered.runs, Question())
    html = page("title", table, gathered, yardsticks.yardsticks_of(table, yardsticks.read(file)))
    assert '<a href="#published">Published</a>' in html and "<td>Fewest</td>" in html
    compared, _, folded = html[html.index('<section id="published"'):].partition("<details>")
    assert "<td>Better</td>" in compared and "<td>Fewest</td>" not in compared
    assert "published fid_inception on cifar10: 1 of other protocols" in folded and "<td>Fewest</td>" in folded
    assert '<a href="#published">' not in page("title", table, gathered)


@pytest.mark.parametrize("entry, words", [
    ("3", "must have exactly data, metric, protocol, source, values"),
    ("{data: a, metric: b, protocol: {}, source: c}", "must have exactly"),
    ("{data: a, metric: b, protocol: {}, source: c, values: {x: high}}", "value of x must be a number, and is 'high'"),
    ("{data: a, metric: b, protocol: {}, source: c, values: {}}", "must be texts"),
    ("{data: 3, metric: b, protocol: {}, source: c, values: {x: 1}}", "a name or a list of names"),
])
def test_an_entry_that_cannot_be_used_is_refused_with_its_number(entry, words, tmp_path):
    (tmp_path / "published.yaml").write_text(f"yardsticks:\n  - {entry}\n")
    with pytest.raises(RequestError, match=f"yardsticks, entry 1.*{words}"):
        yardsticks.read(tmp_path / "published.yaml")


def test_those_that_come_with_the_project_name_metrics_and_protocols_that_there_are():
    known = yardsticks.read(PUBLISHED)
    assert len(known) >= 60
    assert len({(each.system, each.data, each.metric, each.source) for each in known}) == len(known)
    for each in known:
        assert is_greater_better(each.metric) is not None
        assert each.metric.rpartition("_")[2] in options("extractor")
        assert each.protocol.get("name", "adm") in options("protocol") and "https://" in each.source
    named = {each.data[0] for each in known if "-" not in "".join(each.data) and len(each.data) == 1}
    assert named <= {*options("data")}
