"""Which of a run's values stands in the table."""

import json

import pytest

from saddlepoint.errors import RequestError
from tests.comparison.tables import means, said, table
from tests.runs.made_runs import make_run, score

CURVE = [{"images_seen": images, "quality/fid_digits": value} for images, value in
         ((10000, 30.0), (20032, 7.0), (30000, 20.0), (48000, 25.0))]


@pytest.mark.parametrize(("value", "mean"), [("last", 25.0), ("best", 7.0), (20000, 7.0), (10000, 30.0), (48000, 25.0)])
def test_the_value_asked_for_is_the_one_shown(tmp_path, value, mean):
    make_run(tmp_path / "a", score(value=25.0), best=score(value=7.0, images=20032), curve=CURVE)
    assert means(table(tmp_path, value=value)) == [[mean]]


def test_points_that_were_measured_by_an_earlier_protocol_are_no_part_of_a_curve(tmp_path):
    make_run(tmp_path / "a", score(value=25.0) | {"protocol_since": 30000}, curve=CURVE)
    assert [means(table(tmp_path, value=images)) for images in (20000, 30000)] == [[[]], [[20.0]]]
    assert "Row 1 was not measured after 20,000 images; nearest were 30,000 and 48,000." in said(tmp_path, value=20000)


def test_best_without_a_best_checkpoint_is_the_best_of_the_first_metrics_curve(tmp_path):
    curve = [{"images_seen": images, "quality/psnr_y": value, "quality/niqe": value / 10} for images, value in
             ((100, 20.0), (200, 31.0), (300, 25.0))]
    psnr, niqe = ({"name": name, "value": value, "images_seen": 300, "protocol": {"scale": 4}}
                  for name, value in (("psnr_y", 25.0), ("niqe", 2.5)))
    make_run(tmp_path / "a", psnr, niqe, curve=curve)
    assert means(table(tmp_path, value="best")) == [[31.0, 3.1]]


def test_a_moment_without_a_measurement_is_said_with_the_nearest(tmp_path):
    make_run(tmp_path / "a", score(value=25.0), curve=CURVE)
    assert means(table(tmp_path, value=21000)) == [[]]
    assert "Row 1 was not measured after 21,000 images; nearest were 20,032 and 30,000." in said(tmp_path, value=21000)


def test_a_run_that_diverged_later_has_its_value_at_a_number_of_images(tmp_path):
    make_run(tmp_path / "a", score(value=25.0), curve=CURVE[:2], state="diverged")
    assert means(table(tmp_path, value=20000)) == [[7.0]] and means(table(tmp_path)) == [[]]


def test_metrics_may_be_chosen_with_or_without_their_extractor(tmp_path):
    make_run(tmp_path / "a", score("fid_digits"), score("is_digits"), score("fid_random", extractor="random"))
    titles = {asked: [column.metric for column in table(tmp_path, metric=[asked]).columns]
              for asked in ("fid", "is_digits")}
    assert titles == {"fid": ["fid_digits", "fid_random"], "is_digits": ["is_digits"]}
    with pytest.raises(RequestError, match=r"metric=fid_digit was measured of none.*did you mean fid_digits"):
        table(tmp_path, metric=["fid_digit"])


def test_evaluations_of_the_checkpoint_asked_for_stand_beside_training(tmp_path):
    folder = make_run(tmp_path / "a", score(value=25.0)) / "evaluations"
    folder.mkdir()
    for name, images, value in (("last", 48000, 24.0), ("other", 20000, 3.0)):
        (folder / f"{name}.json").write_text(
            json.dumps({"metrics": [score(value=value, images=images, num_fake=10000)]}))
    assert means(table(tmp_path)) == [[25.0, 24.0]] and means(table(tmp_path, evaluations=False)) == [[25.0]]
