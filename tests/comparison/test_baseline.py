"""Differences to a baseline, and values that papers report."""

import pytest

from saddlepoint.comparison.published import Published
from saddlepoint.errors import RequestError
from tests.comparison.tables import R1, said, seeded, table
from tests.runs.made_runs import make_run, score


def test_differences_are_paired_where_the_seeds_agree(tmp_path):
    seeded(tmp_path / "a", [10.0, 20.0, 30.0])
    seeded(tmp_path / "b", [11.0, 21.0, 31.0], **R1)
    seeded(tmp_path / "c", [11.0, 21.0, 31.0], first_seed=1, trick=["ema"])
    first, paired, unpaired = (row.cells[0].difference for row in table(tmp_path, baseline="trick=[]").rows)
    assert first is None and paired.mean == unpaired.mean == 1.0
    assert (paired.paired, paired.p, paired.smallest_p) == (True, 0.25, 0.25)  # three differences of one sign: 2 / 2^3
    assert not unpaired.paired and unpaired.smallest_p == 0.1 and unpaired.p > 0.5
    text = said(tmp_path, baseline="1")
    assert "smallest p possible with these seeds is 0.1 or 0.25: no difference can reach 0.05" in text
    assert "2 differences were tested, and p is not corrected" in text


def test_no_difference_is_tested_across_protocols(tmp_path):
    seeded(tmp_path / "a", [10.0, 20.0])
    seeded(tmp_path / "b", [11.0, 21.0], protocol={"num_fake": 10}, **R1)
    assert all(cell.difference is None for row in table(tmp_path, baseline="1").rows for cell in row.cells if cell)
    assert "No row compares with the baseline, row 1" in said(tmp_path, baseline="1")


@pytest.mark.parametrize(("baseline", "words"), [
    ("7", "baseline=7 must be the number of a row, from 1 to 3"), ("los=a", "must name a setting that rows differ in"),
    ("trick=[emma]", r"fits no row: trick is \[\], \[r1\]"),
    ("trick=[r1]", "fits rows 2, 3: type one of these numbers"),
])
def test_a_baseline_that_is_no_row_is_refused(tmp_path, baseline, words):
    make_run(tmp_path / "a")
    make_run(tmp_path / "b", **R1)
    make_run(tmp_path / "c", budget__images=9, **R1)
    with pytest.raises(RequestError, match=words):
        table(tmp_path, baseline=baseline)


def test_a_published_value_is_compared_only_where_name_and_protocol_agree(tmp_path):
    known = Published({"experiment": "sngan", "trick": []}, "fid_inception", 20.0, 2.0, {"num_fake": 2000}, "a paper")
    here = {"extractor": "inception"}
    make_run(tmp_path / "a", score("fid_inception", 21.9, **here), choices={"experiment": "sngan"})
    make_run(tmp_path / "b", score("fid_inception", 22.1, **here), choices={"experiment": "sngan"}, budget__images=5)
    make_run(tmp_path / "c", score("fid_inception", 20.0, num_fake=10, **here), choices={"experiment": "sngan"},
             budget__images=6)
    make_run(tmp_path / "d", score("fid_inception", 20.0, **here), choices={"experiment": "sngan"}, **R1)
    make_run(tmp_path / "e", score("fid_digits", 20.0), choices={"experiment": "sngan"}, budget__images=7)
    cells = [next(cell for cell in row.cells if cell) for row in table(tmp_path, [known]).rows]
    verdicts = [cell.published and cell.verdict
                for cell in cells]
    assert verdicts == ["within tolerance", "outside tolerance", "not compared: other num fake", None, None]
