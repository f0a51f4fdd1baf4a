"""Which number a search looks at, and when it was due."""

from pathlib import Path

import pytest

from saddlepoint.errors import RequestError
from saddlepoint.sweeps.search.objective import Objective, choose_objective, measured_alike
from saddlepoint.sweeps.search.space import Space
from tests.composing import settings


def of(*overrides: str, metric=None, value="last", direction=None) -> Objective:
    return choose_objective(settings(*overrides), metric, value, direction)


def test_the_runs_first_metric_decides_and_its_own_direction():
    assert (of().metric, of().direction, of().every_images) == ("fid", "minimize", 12000)
    assert of(metric="is").direction == "maximize" and of(metric="is", direction="minimize").direction == "minimize"
    chosen = of("callbacks.sample_quality.metric=[recall,fid]", "callbacks.sample_quality.moments=[64]")
    assert (chosen.metric, chosen.direction, chosen.moments) == ("recall", "maximize", (64,))
    upscaling = of("data=sr_folder", "model=srgan", "perceptual=random", "data.root=nowhere")
    assert (upscaling.metric, upscaling.direction) == ("psnr_y", "maximize")


def test_trials_are_measured_after_the_same_images_whatever_their_size():
    """every_images=auto would measure a trial with small networks more seldom."""
    space = Space((), ("model=mlp",))
    paced = measured_alike(space, settings("model=mlp"))
    assert paced.overrides({}) == (["model=mlp", "callbacks.sample_quality.every_images=12000"], [])
    assert paced.corners() == [paced.overrides({})[0]] * 2
    assert paced.fixed == space.fixed  # by which an earlier search of this space is known
    assert of().every_images == 12000 and of("budget.images=1000000").every_images == 50000
    for typed in (["callbacks.sample_quality.every_images=500"], ["callbacks=none"]):
        assert measured_alike(space, settings("model=mlp", *typed)) == space
    assert of("callbacks.sample_quality.every_images=500").every_images == 500


@pytest.mark.parametrize(("overrides", "changes", "words"), [
    (["callbacks=none"], {}, "type callbacks=default"),
    (["callbacks.sample_quality.metric=[]"], {}, "names none"),
    ([], {"metric": "kdi"}, "hydra.sweeper.metric=kdi is not measured in training"),
    (["callbacks.sample_quality.metric=[neighbour_distance]"], {}, "type hydra.sweeper.direction=minimize or maximize"),
])
def test_a_search_without_a_score_is_refused(overrides, changes, words):
    with pytest.raises(RequestError, match="^[^\n]*" + words):
        of(*overrides, **changes)


def table(*rows: str) -> None:
    Path("metrics.csv").write_text("images_seen,quality/fid_infinity_x,quality/fid_x\n" + "".join(rows))


def test_a_metric_is_not_another_one_whose_name_begins_alike():
    table("10,1.0,5.0\n", "20,0.5,4.5\n", "30,0.1,nan\n", "40,,\n", "50,0.2,4.9\n", "60,0.1,")
    fid, infinity = Objective("fid", "last", "minimize"), Objective("fid_infinity", "best", "minimize")
    assert fid.points(".") == ("fid_x", [(10, 5.0), (20, 4.5), (50, 4.9)])
    assert infinity.points(".") == ("fid_infinity_x", [(10, 1.0), (20, 0.5), (30, 0.1), (50, 0.2)])
    assert fid.score(fid.points(".")[1]) == 4.9 and infinity.score(infinity.points(".")[1]) == 0.1
    assert Objective("fid", "best", "maximize").score(fid.points(".")[1]) == 5.0
    assert fid.score([]) is None and fid.points("nowhere") == ("fid", [])


def test_batches_of_another_size_measure_at_the_same_moments():
    planned = Objective("fid", "last", "minimize", every_images=100, moments=(30,), budget_images=250)
    assert [planned.planned_moment(images) for images in (0, 30, 32, 96, 100, 128, 240, 250, 256)] == [
        0, 30, 30, 30, 100, 100, 200, 250, 250]
    assert Objective("fid", "last", "minimize").planned_moment(77) == 77
