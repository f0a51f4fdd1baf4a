"""The page is one whole file, tells of every run, and lets nothing out of a run's files become markup."""

import base64
import hashlib
import re
import tomllib
from fnmatch import fnmatch

import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from saddlepoint.commands import comparing as command
from saddlepoint.comparison.report.curves import score_chart
from saddlepoint.comparison.report.page import page
from saddlepoint.comparison.report.rows import page_rows
from saddlepoint.comparison.table import Question
from saddlepoint.comparison.tabulating import tabulate
from saddlepoint.config.check import checked_settings
from saddlepoint.config.overrides import quote_path
from saddlepoint.errors import RequestError
from saddlepoint.runs.gathering import gather
from tests.comparison.report.reading_pages import Page
from tests.composing import CONF, composed
from tests.runs.made_runs import make_run, score

LOSSES = ("hinge", "wasserstein")
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture(autouse=True)
def short_script(monkeypatch):
    """Plotly's script has 5 MB, which only the test of it takes apart."""
    monkeypatch.setattr("saddlepoint.comparison.report.page.get_plotlyjs", lambda: "const Plotly = {};")


def written(*paths, **question) -> str:
    gathered = gather(paths)
    return page("A comparison", tabulate(gathered.runs, Question(**question)), gathered)


def curve(value: float) -> list[dict[str, float]]:
    return [{"images_seen": moment, "discriminator/total": 1.0, "generator/total": 2.0, "logits/real": 1.0,
             "logits/fake": -1.0, "quality/fid_digits": value * 48000 / moment} for moment in (12000, 24000, 48000)]


def draw(run, name: str = "images", moments=(0, 24000, 48000), size=(40, 30)) -> None:
    (run / "samples").mkdir(exist_ok=True)
    for moment in moments:
        Image.new("L", size, moment % 255).save(run / "samples" / f"{name}_{moment:010d}.png")


@pytest.fixture
def sweep(tmp_path):
    """Two losses, two seeds each, of which one diverged"""
    for place, (loss, seed) in enumerate((loss, seed) for loss in LOSSES for seed in (0, 1)):
        failed = {"state": "diverged", "reason": "the loss became nan", "images": 24000} if place == 3 else {}
        run = make_run(tmp_path / str(place), score(value=10.0 + place), seed=seed, choices={"loss": loss},
                       curve=curve(10.0 + place), loss___target_=loss, **failed,
                       environment={"command": f"train.py loss={loss} seed={seed} 'trick=[]'"})
        draw(run)
    return tmp_path


def test_tags_match_ids_are_unique_and_every_reference_resolves(sweep):
    shown = Page(written(sweep, baseline="1"))
    ids = [each.attributes["id"] for each in shown.elements if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    links = [each.attributes["href"] for each in shown.all("a")]
    referred = [each.attributes["aria-labelledby"] for each in shown.elements if "aria-labelledby" in each.attributes]
    assert len(links) > 12 and len(referred) == 7
    assert {link.removeprefix("#") for link in links} | {*referred} <= {*ids}


def scripts(shown: Page) -> list[str]:
    """Those that run, without the data of charts"""
    return ["".join(each.text) for each in shown.all("script") if "type" not in each.attributes]


def test_nothing_is_loaded_and_only_our_scripts_may_run(sweep):
    content = written(sweep)
    assert not re.search(r"https?:|url\(|@import|<link|<iframe", content)
    shown = Page(content)
    assert not [each for each in shown.all("script") if "src" in each.attributes]
    assert all(each.attributes["src"].startswith("data:image/") for each in shown.all("img"))
    assert {name for each in shown.elements for name in each.attributes if name.startswith("on")} == set()
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts(shown)]
    [policy] = [each.attributes["content"] for each in shown.all("meta") if "http-equiv" in each.attributes]
    assert policy.startswith("default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src ")
    assert policy.split("script-src ")[1].split() == [f"'sha256-{digest}'" for digest in digests] and len(digests) == 3


def test_plotlys_script_is_there_once_and_offers_to_send_nothing_away(sweep, monkeypatch):
    monkeypatch.undo()
    content = written(sweep)
    assert content.count(get_plotlyjs()) == 1
    assert "showSendToCloud: false" in content.partition(get_plotlyjs())[2]


def test_a_page_without_charts_is_small(tmp_path):
    make_run(tmp_path / "run", score(value=None))
    assert len(scripts(Page(written(tmp_path)))) == 1


def test_whatever_files_hold_stays_text(tmp_path):
    run = make_run(tmp_path / "x><script>y", score(value=1.0, extractor=EVIL, split=EVIL), state="failed", reason=EVIL,
                   choices={"loss": EVIL}, loss___target_=EVIL, curve=curve(1.0),
                   environment={"command": EVIL, "revision": EVIL, "host": EVIL})
    draw(run, EVIL.replace("/", ""))
    make_run(tmp_path / "tame", score(value=1.0))
    content = written(tmp_path)
    shown = Page(content)
    assert len(scripts(shown)) == 3 and "alert" not in "".join(scripts(shown))
    names = {line["name"] for chart in shown.charts() for line in chart["lines"]}
    assert f"#2 loss={EVIL}" in names and "</script>" not in "".join(each.words for each in shown.all("script"))
    assert content.count("onerror=") > 5  # as text
    assert not [each for each in shown.elements if "onerror" in each.attributes]
    assert shown.all("code")[-1].words.endswith(EVIL)


def test_failed_runs_stand_there_with_their_reasons(sweep):
    shown = Page(written(sweep))
    assert "#2, seed 1" in shown.one("section", id="failures").words
    assert "diverged 24,000 the loss became nan" in shown.one("section", id="failures").words
    assert "1 of 2" in shown.one("table", class_="results").words
    assert "4 runs (3 completed, 1 diverged) of 2 recipes" in shown.one("header").words


def test_every_run_has_its_command_and_provenance(sweep):
    shown = Page(written(sweep))
    commands = [each.words for each in shown.all("code")]
    assert commands == [f"python train.py loss={loss} seed={seed} 'trick=[]'" for loss in LOSSES for seed in (0, 1)]
    for run in [each for each in shown.all("details") if each.attributes.get("id", "").startswith("run-")]:
        for words in ("1234567890abcdef", "torch 2.14.1", "fid_digits", "protocol 1", "1 thread", "100 s"):
            assert words in run.words
    assert "2000" in shown.one("section", id="protocols").words


def test_settings_unlike_the_baselines_are_marked_and_rows_can_be_filtered_by_them(sweep):
    shown = Page(written(sweep, baseline="loss=wasserstein"))
    table = shown.all("mark")
    assert {each.words for each in table} == {"hinge"}
    assert [each.words for each in shown.all("option")] == ["any", *LOSSES]
    assert [each.attributes["data-value"] for each in shown.all("td", data_column="loss")] == [*LOSSES]


def test_columns_sort_by_numbers_and_the_best_is_marked(sweep):
    shown = Page(written(sweep))
    assert shown.all("th", scope="col")[3].words.startswith("fid_digits lower is better")
    values = [each.attributes["data-value"] for each in shown.all("td", class_="starred")]
    assert values == ["10.5", "12.0"]  # of the diverged seed there is no last value
    [best] = shown.all("td", class_="best")
    assert best.words.startswith("10.50 ± 0.71")


def test_lines_of_two_seeds_have_a_band_and_say_what_they_are_of(sweep):
    shown = Page(written(sweep))
    [scores] = [each for each in shown.charts() if each["quantity"] == "fid_digits"]
    assert [line["name"] for line in scores["lines"]] == ["#1 loss=hinge", "#2 loss=wasserstein"]
    first = scores["lines"][0]
    assert first["source"] == "mean of 2 runs, seed 0, seed 1"
    assert first["images"] == [12000, 24000, 48000] and first["mean"] == pytest.approx([42, 21, 10.5])
    assert (first["low"], first["high"]) == (pytest.approx([40, 20, 10]), pytest.approx([44, 22, 11]))
    losses = next(each for each in shown.charts() if each["quantity"] == "Losses")
    assert [line["name"] for line in losses["lines"]] == ["discriminator", "generator"]
    assert "low" not in losses["lines"][0]  # both seeds have the same losses


def test_a_chart_is_told_in_words_with_and_without_a_script(sweep):
    shown = Page(written(sweep))
    charts = shown.all("div", class_="chart")
    assert len(charts) == len(shown.charts()) == len(shown.all("noscript")) == 5
    assert "#1 loss=hinge ends at 10.5" in charts[0].attributes["aria-label"]
    assert "chart of fid_digits over images seen is drawn by JavaScript" in shown.all("noscript")[0].words


def test_a_legend_names_what_tells_the_lines_of_its_chart_apart(tmp_path):
    """A fourth row without this score has another trick, which the three of the chart do not differ in."""
    for place, (loss, trick) in enumerate((("hinge", []), ("wasserstein", []), ("minimax", []), ("hinge", ["r1"]))):
        measured = score(value=10.0) if place < 3 else score("is_digits", 3.0)
        make_run(tmp_path / str(place), measured, loss___target_=loss, choices={"loss": loss}, trick=trick)
    table = tabulate(gather([tmp_path]).runs, Question())
    rows = page_rows(table)
    assert [row.label for row in rows] == [
        "loss=hinge, trick=[]", "loss=wasserstein, trick=[]", "loss=minimax, trick=[]", "loss=hinge, trick=[r1]"]
    column = next(each for each in table.columns if each.metric == "fid_digits")
    legend = ["#1 loss=hinge", "#2 loss=wasserstein", "#3 loss=minimax"]
    assert [line.name for line in score_chart(rows, column).lines] == legend
    assert [line.name for line in score_chart(rows[:1], column).lines] == ["#1 loss=hinge, trick=[]"]


def test_a_line_without_the_only_setting_in_which_a_chart_differs_has_its_whole_label(tmp_path):
    make_run(tmp_path / "none", score(value=10.0), choices={"loss": "hinge"}, loss___target_="hinge")
    make_run(tmp_path / "some", score(value=11.0), choices={"loss": "hinge"}, loss___target_="hinge",
             data__num_points=100)
    make_run(tmp_path / "other", score("is_digits", 3.0), choices={"loss": "minimax"}, loss___target_="minimax")
    table = tabulate(gather([tmp_path]).runs, Question(metric=["fid"]))
    names = [line.name for line in score_chart(page_rows(table), table.columns[0]).lines]
    assert sorted(name.partition(" ")[2] for name in names) == ["data.num_points=100", "loss=hinge"]


def test_one_measurement_is_a_point_on_axes_around_it(tmp_path):
    make_run(tmp_path / "run", score(value=10.0), curve=[{"images_seen": 48000, "quality/fid_digits": 10.0}])
    [chart] = Page(written(tmp_path)).charts()
    [line] = chart["lines"]
    assert (line["images"], line["mean"], chart["last"]) == ([48000], [10.0], 48000)
    assert chart["shown"] == [9, 11] and line["source"] == "seed 0, run"


def test_values_that_are_not_finite_are_left_out_of_curves(tmp_path):
    points = [{"images_seen": place, "generator/total": value, "quality/fid_digits": float("nan")}
              for place, value in enumerate((1.0, float("nan"), float("inf"), 4.0))]
    make_run(tmp_path / "run", score(value=None), curve=points)
    [chart] = Page(written(tmp_path)).charts()
    assert [(line["images"], line["mean"]) for line in chart["lines"]] == [([0, 3], [1.0, 4.0])]


def test_values_of_unlike_protocol_have_charts_of_their_own(tmp_path):
    for place, count in enumerate((2000, 5000)):
        make_run(tmp_path / str(place), score(num_fake=count), curve=curve(5.0), model__generator__width=place)
    shown = Page(written(tmp_path))
    assert [each["quantity"] for each in shown.charts()].count("fid_digits") == 2
    assert "other number of fakes (5,000, not 2,000)" in shown.one("section", id="scores").words


def test_pictures_have_a_timeline_that_ends_with_the_last(sweep):
    shown = Page(written(sweep))
    assert [each.attributes["data-at"] for each in shown.all("span", class_="frame")] == ["0", "24000", "48000"] * 4
    assert [each.attributes["data-at"] for each in shown.all("span", class_="now")] == ["48000"] * 4
    assert shown.one("input", id="moment").attributes["data-moments"] == "0 24000 48000"


def test_points_of_two_runs_stand_side_by_side_with_the_last_picture_of_each(tmp_path):
    for name, seen in (("one", 500), ("other", 900)):
        samples = make_run(tmp_path / name, seed=seen) / "samples"
        samples.mkdir(exist_ok=True)
        for moment in (0, seen):
            Image.new("RGB", (30, 10)).save(samples / f"points_{moment:010d}.png")
    shown = Page(written(tmp_path))
    assert "Points, their modes, and D over the plane" in [each.words for each in shown.all("h3")]
    assert [each.attributes["data-at"] for each in shown.all("span", class_="now")] == ["500", "900"]


def test_runs_without_scores_curves_and_pictures_are_there_all_the_same(tmp_path):
    bare = make_run(tmp_path / "bare", state="failed", reason="killed at once")
    for name in ("metrics.json", "environment.json"):
        (bare / name).unlink()
    shown = Page(written(tmp_path))
    assert "killed at once" in shown.one("section", id="failures").words
    assert "No command was recorded" in shown.one("section", id="runs").words
    assert not shown.all("section", id="scores") and not shown.all("section", id="pictures")
    links = {each.attributes["href"] for each in shown.all("a")}
    assert "#failures" in links and "#scores" not in links


def test_a_score_without_a_value_says_why(tmp_path):
    make_run(tmp_path / "run", score(value=None) | {"reason": "too few files could be read"})
    assert "none: too few files could be read" in Page(written(tmp_path)).one("section", id="runs").words


def test_settings_that_are_not_what_train_writes_do_no_harm(tmp_path):
    run = make_run(tmp_path / "odd", score(value=None, extractor=["a"], settings="none"), callbacks=[], model="mine",
                   curve=[{"images_seen": 1, "quality/fid_digits": 1e300, "generator/total": -1e99}])
    draw(run, size=(1, 1), moments=(7,))
    (run / "samples" / "images_0000000009.png").write_bytes(b"no picture")
    assert len(Page(written(tmp_path)).all("img")) == 1


def test_no_runs_are_said_to_be_none(tmp_path):
    assert "There is no run to show" in Page(written(tmp_path)).one("main").words


def test_a_hundred_runs_stay_under_twenty_megabytes(tmp_path):
    noise = tmp_path / "noise.png"
    Image.merge("RGB", [Image.effect_noise((160, 160), 80) for _ in range(3)]).save(noise)
    for place in range(100):
        samples = make_run(tmp_path / f"{place:03}", score(value=place), seed=place % 2, curve=curve(place + 1.0),
                           model__generator__width=place // 2) / "samples"
        samples.mkdir()
        for moment in range(3):
            (samples / f"images_{moment:010d}.png").symlink_to(noise)
    assert 300 * noise.stat().st_size > 20_000_000
    content = written(tmp_path)
    assert 5_000_000 < len(content.encode()) < 20_000_000
    assert len(re.findall("<figure", content)) == 100


def compare(*overrides: str) -> None:
    typed = [quote_path(override) for override in (f"published={CONF / 'published.yaml'}", *overrides)]
    command.compare(checked_settings(composed(*typed, config="compare")[0]))


def test_compare_writes_the_page_and_says_where(sweep, capsys):
    path = sweep / "made (1)" / "all.html"
    compare(f"runs={sweep}", f"page={path}")
    assert capsys.readouterr().out.endswith(f"\n{path}\n")
    assert Page(path.read_text()).one("h1").words == f"Comparison of {sweep}"


def test_a_page_never_takes_the_place_of_another_file_unasked(sweep):
    path = sweep / "all.html"
    path.write_text("mine")
    with pytest.raises(RequestError, match=r"all.html exists: choose another page=, or add overwrite=true"):
        compare(f"runs={sweep}", f"page={path}")
    assert path.read_text() == "mine"
    compare(f"runs={sweep}", f"page={path}", "overwrite=true")
    assert path.read_text() != "mine"


@pytest.mark.parametrize("name", ["all", "all.pdf", "folder.html"])
def test_a_page_is_the_name_of_an_html_file(sweep, name):
    (sweep / "folder.html").mkdir()
    with pytest.raises(RequestError, match=r"must be the name of an HTML file: type page=.*\.html"):
        compare(f"runs={sweep}", f"page={sweep / name}")


def test_files_of_the_page_come_with_the_package():
    root = CONF.parent
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["saddlepoint"]
    package = root / "src" / "saddlepoint"
    names = [path.relative_to(package).as_posix() for path in (package / "comparison/report/templates").iterdir()]
    assert len(names) > 5 and all(any(fnmatch(name, pattern) for pattern in patterns) for name in names)


def test_a_run_tells_what_a_perfect_generator_would_have(tmp_path):
    known = score("modes_mixture", 6.0, extractor="mixture") | {"details": {"perfect": 7.96, "perfect_std": 0.2}}
    make_run(tmp_path / "run", known)
    text = written(tmp_path)
    assert "6, of a perfect generator 7.96 after 48,000 images" in text
    assert "would have modes_mixture 7.96." in text
