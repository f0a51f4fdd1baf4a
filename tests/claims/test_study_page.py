"""The page of a study: values after equally many images, and after equal time on a processor."""

from dataclasses import replace
from itertools import pairwise

import pytest

from saddlepoint.claims.repeated_rows import repeated
from saddlepoint.claims.reproduction import PAGE, read_reproductions
from saddlepoint.claims.results import Result
from saddlepoint.claims.study_page import after, minutes, shortest, study_page
from saddlepoint.claims.texts import figure
from saddlepoint.claims.typed_words import effective
from saddlepoint.errors import RequestError

STUDY = """number: 1
title: What helps
page: what_helps
metrics: [fid_digits, neighbour_distance_digits]
settings: [threads=1]
lengths:
  few:
    title: 500 digits
    steps: 10
    settings: [data.subset_size=500]
    along: [100, 200, 300]
    rows:
      plain: {words: [], seeds: 2}
      slow: {words: ["trick=[r1]"], seeds: 2}
  clothes:
    title: Clothes
    steps: 10
    settings: [extractor=classifier, data=fashion_mnist]
    metrics: [fid_clothes]
    rows:
      plain: {words: [], seeds: 1}
discussion: |
  R1 helps.
"""
CURVE = {100: 80.0, 200: 40.0, 300: 10.0}  # after so many images


def read(folder, text=STUDY):
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "helps.yaml").write_text(text)
    [study] = read_reproductions(folder / "files", {})
    return study


def run(row, seed, last, processor_minutes, curve=CURVE):
    values = {f"fid_digits after {images} images": value for images, value in curve.items()}
    return Result(effective(row.words), seed, "completed", images_seen=400, minutes=9.0, revision="0" * 40, changes=(),
                  processor_minutes=processor_minutes, values={"fid_digits": last, **values})


def test_settings_of_a_length_stand_behind_those_of_all(tmp_path):
    few, clothes = read(tmp_path).lengths
    assert few.rows[1].words == ("threads=1", "data.subset_size=500", "trick=[r1]")
    assert few.metrics == ("fid_digits", "neighbour_distance_digits") and clothes.metrics == ("fid_clothes",)
    assert [each.key for each in few.measures] == [
        *few.metrics, *(f"fid_digits after {images} images" for images in few.along)]
    assert read(tmp_path).page == "what_helps" != PAGE


def test_a_row_that_takes_longer_is_read_where_the_shortest_ends(tmp_path):
    """Of 400 images 250 where a run takes 8 minutes for 5: halfway from 40 to 10 by logarithms, which is 20."""
    [few, _] = read(tmp_path).lengths
    plain, slow = few.rows
    results = [run(plain, 0, 5.0, 4.0), run(plain, 1, 7.0, 6.0), run(slow, 0, 3.0, 8.0), run(slow, 1, 3.0, 8.0)]
    rows = repeated(few, results)
    assert [minutes(row) for row in rows] == [5.0, 8.0] and shortest(rows) == 5.0
    assert [after(few, each, rows[0], 5.0) for each in rows[0].completed] == [5.0, 7.0]
    assert after(few, rows[1].completed[0], rows[1], 5.0) == pytest.approx(20.0)
    assert after(few, rows[1].completed[0], rows[1], 1.0) is None  # 50 images, before the first measurement
    assert after(few, rows[1].completed[0], rows[1], 7.0) == pytest.approx((10.0 * 3.0) ** 0.5)  # 350: up to the end
    assert after(few, rows[1].completed[0], rows[1], 6.5) == pytest.approx(10.0**0.75 * 3.0**0.25)  # 325 images
    assert after(few, rows[1].completed[0], rows[1], None) is None


def test_the_page_has_a_table_for_each_set_and_lines_for_those_without_runs(tmp_path):
    study = read(tmp_path)
    plain, slow = study.lengths[0].rows
    page = study_page(study, [run(plain, 0, 5.0, 5.0), run(plain, 1, 7.0, 5.0), run(slow, 0, 3.0, 8.0)])
    lines = page.splitlines()
    assert lines[0] == "# What helps" and "R1 helps." in lines
    [header] = [line for line in lines if line.startswith("| row")]
    assert "fid_digits, equal time" in header and " of " not in header
    cells = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines
             if line.startswith(("| plain", "| slow"))}
    assert cells["plain"][0].startswith("6 ") and cells["plain"][2].startswith("6 ")
    assert cells["plain"][3:] == ["5", "2"]
    assert cells["slow"] == ["3", "–", "20", "8", "1"]
    assert "Without a value: plain, seed 0: neighbour_distance_digits was not measured." in page
    assert "    # plain\n    python train.py" in page
    assert "Not run here; `only=[helps/clothes]` would make these runs:" in page
    assert "python train.py threads=1 extractor=classifier data=fashion_mnist seed=0" in page


def test_rows_are_divided_by_the_one_that_they_are_compared_with(tmp_path):
    """4 / 8 and 2 / 16: the mean of the logarithms of 1/2 and 1/8 is that of 1/4, their standard error log 2, and
    Student's t with one degree of freedom 12.706. At equal time slow is read after 200 images of 400, at 40."""
    study = read(tmp_path, STUDY.replace("settings: [threads=1]", "settings: [threads=1]\ncompared_with: plain", 1))
    plain, slow = study.lengths[0].rows
    results = [run(plain, 0, 8.0, 4.0), run(plain, 1, 16.0, 4.0), run(slow, 0, 4.0, 8.0), run(slow, 1, 2.0, 8.0)]
    page = study_page(study, results)
    header, _, of_plain, of_slow = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()
                                    if line.startswith("|")]
    assert header == ["row", "fid_digits", "of plain", "neighbour_distance_digits", "fid_digits, equal time",
                      "of plain, equal time", "minutes", "seeds"]
    low, high = (0.25 * 2 ** (sign * 12.7062047) for sign in (-1, 1))
    assert of_slow[2] == f"0.25 \\[{figure(low)}, {figure(high)}\\]"
    assert of_slow[5].startswith("3.54 ")  # the geometric mean of 40 / 8 and 40 / 16
    assert (of_plain[2], of_plain[5]) == ("–", "–")
    assert "the first metric's ratios to the runs of plain with the same\nseeds" in page

    alone = study_page(study, [run(plain, 0, 8.0, 4.0), run(slow, 0, 4.0, 8.0), run(slow, 1, 2.0, 8.0)])
    assert "| slow | 3 " in alone and "| 0.5 |" in alone  # of seed 0 alone, without an interval


def tables_at_the_top(page):
    """Returns what stands before each table above the first set's, and its cells without the line of dashes."""
    parts = page.partition("\n## ")[0].split("\n\n")
    tables = [(before, lines.splitlines()) for before, lines in pairwise(parts) if lines.startswith("|")]
    return [(before, [[cell.strip() for cell in line.split("|")[1:-1]] for line in (header, *lines)])
            for before, (header, _, *lines) in tables]


def test_the_ratios_on_all_sets_stand_together_at_the_top(tmp_path):
    """On clothes another row stands beside plain, and nothing was measured along the way."""
    text = STUDY.replace("settings: [threads=1]", "settings: [threads=1]\ncompared_with: plain", 1)
    study = read(tmp_path, text.replace("seeds: 1}", 'seeds: 1}\n      top: {words: ["trick=[top_k]"], seeds: 1}'))
    (plain, slow), (clothes, top) = (length.rows for length in study.lengths)
    few = [run(plain, 0, 8.0, 4.0), run(slow, 0, 4.0, 8.0)]
    others = [replace(run(row, 0, 0.0, 4.0), values={"fid_clothes": fid}) for row, fid in ((clothes, 5.0), (top, 4.0))]
    [at_end, at_equal_time] = tables_at_the_top(study_page(study, [*few, *others]))
    reading = "([how to read it](#how-to-read-it)):"
    assert at_end == (f"fid_digits or fid_clothes, divided by that of plain, after equally many images {reading}", [
        ["row", "500 digits", "Clothes"], ["slow", "0.5", "–"], ["top", "–", "0.8"]])
    assert at_equal_time == (f"fid_digits, divided by that of plain, after equal time {reading}", [
        ["row", "500 digits"], ["slow", "5"]])
    assert tables_at_the_top(study_page(study, few)) == []  # one set alone: its own table has them


def with_weights(runs, *digests):
    return [replace(run, weights={"fid_digits": digest}) for run, digest in zip(runs, digests, strict=True)]


def test_values_by_two_classifiers_are_called_not_comparable(tmp_path):
    study = read(tmp_path)
    plain, slow = study.lengths[0].rows
    runs = [run(plain, 0, 5.0, 5.0), run(plain, 1, 7.0, 5.0), run(slow, 0, 3.0, 8.0)]
    sentence = ("**Not comparable**, as the weights of fid_digits differ: SHA-256 aa of plain, slow; SHA-256 bb of "
                "plain.")
    assert sentence in study_page(study, with_weights(runs, "aa", "bb", "aa")).splitlines()
    for same in (runs, with_weights(runs, "aa", "aa", "aa"), [runs[0], *with_weights(runs[1:], "aa", "aa")]):
        assert "SHA-256" not in study_page(study, same)  # our own classifier's, of which this code has one
    stopped = replace(runs[1], state="diverged", values={})
    assert "SHA-256" not in study_page(study, with_weights([runs[0], stopped, runs[2]], "aa", "bb", "aa"))


def test_the_page_says_which_classifier_of_ones_own_has_measured(tmp_path):
    study = read(tmp_path, STUDY.replace("[fid_clothes]", "[fid_clothes, neighbour_distance_clothes]"))
    [plain] = study.lengths[1].rows
    values = {"fid_clothes": 5.0, "neighbour_distance_clothes": 1.5}
    made = replace(run(plain, 0, 5.0, 5.0), values=values, weights=dict.fromkeys(values, "aa"))
    assert "\n\nThe weights of fid_clothes and neighbour_distance_clothes: SHA-256 aa.\n\n" in study_page(study, [made])
    assert "SHA-256" not in study_page(study, [replace(made, weights={})])  # of a run before they were recorded


@pytest.mark.parametrize(("old", "new", "sentence"), [
    ("page: what_helps", "page: what_helps\ncompared_with: plane", "compared_with=plane is no row: did you mean plain"),
    ("page: what_helps", "compared_with: plain", "compared_with=plain is for a page of its own: add page=NAME"),
    ("[100, 200, 300]", "often", "along=often must be a list of numbers of images seen"),
    ("[fid_clothes]", "[fit_clothes]", "metrics=fit_clothes is no metric"),
    ("extractor=classifier, ", "", "metrics=fid_clothes is no metric"),
])
def test_a_slip_is_named(tmp_path, old, new, sentence):
    with pytest.raises(RequestError, match=sentence):
        read(tmp_path, STUDY.replace(old, new))
