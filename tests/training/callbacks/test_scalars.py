"""What is written: every term, score and schedule, at the moments asked for, in two places."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2

from saddlepoint.errors import Diverged
from saddlepoint.game.accuracy import accuracy
from saddlepoint.losses.adversarial import LeastSquares, NonSaturating, Wasserstein
from saddlepoint.runs.resuming import continuation
from saddlepoint.training.callbacks.table import Table
from saddlepoint.training.train import train
from tests.composing import settings

TINY = ("data.batch_size=8", "trainer=cpu", "model.generator.width=4", "model.discriminator.width=4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = settings(*TINY, "budget.images=100", "callbacks=none", "callbacks.scalars.every_images=32",
                    "trick=[instance_noise,ema]", "optimizer=adam_wgan_gp")
    return train(made, tmp_path_factory.mktemp("scalars") / "run")


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_stand_at_the_moments_and_at_the_end(run):
    assert [int(row["images_seen"]) for row in rows(run)] == [32, 64, 96, 104]


def test_every_term_score_and_schedule_has_a_column(run):
    assert set(rows(run)[0]) == {
        "images_seen", "discriminator/adversarial", "discriminator/total", "generator/adversarial", "generator/total",
        "logits/real", "logits/fake", "logits/accuracy", "probability/real", "probability/fake",
        "schedule/generator.lr", "schedule/discriminator.lr", "schedule/instance_noise.sigma",
        "schedule/ema.half_life_images", "throughput/images_per_second"}


def test_schedules_are_written_as_they_stood(run):
    for row in rows(run):
        seen = int(row["images_seen"])
        assert float(row["schedule/instance_noise.sigma"]) == pytest.approx(0.1 * max(1 - seen / 100, 0))
    before_last_step = 96
    assert float(rows(run)[-1]["schedule/generator.lr"]) == pytest.approx(1e-4 * (1 - before_last_step / 100))


def test_tensorboard_shows_the_same_numbers_over_images_seen(run):
    events = EventAccumulator(str(run))
    events.Reload()
    for tag in ("discriminator/total", "logits/real", "schedule/instance_noise.sigma"):
        shown = [(event.step, event.value) for event in events.Scalars(tag)]
        written = [(int(row["images_seen"]), float(row[tag])) for row in rows(run)]
        np.testing.assert_allclose(shown, written, rtol=1e-6)


def test_tensorboard_begins_with_the_losses_and_charts_both_players_together(run):
    """It sorts by name. A pattern of the tab CUSTOM SCALARS must match the whole name of a curve"""
    events = EventAccumulator(str(run), size_guidance={"tensors": 0})
    events.Reload()
    tags = sorted(events.Tags()["scalars"])
    groups = [*dict.fromkeys(tag.partition("/")[0] for tag in tags)]
    assert groups == ["discriminator", "generator", "logits", "probability", "schedule", "throughput", "value_at_end"]
    [layout] = events.Tensors("custom_scalars__config__")
    [category] = layout_pb2.Layout.FromString(layout.tensor_proto.string_val[0]).category
    charts = [[tag for tag in tags if any(re.fullmatch(pattern, tag) for pattern in chart.multiline.tag)]
              for chart in category.chart]
    assert charts == [["discriminator/total", "generator/total"], ["logits/fake", "logits/real"],
                      ["probability/fake", "probability/real"]]


def test_averaged_losses_are_the_means_of_the_steps_since_the_row_before(tmp_path):
    """Steps of 8 images: a row after each, against rows after every fourth"""
    few = (*TINY, "budget.images=96", "callbacks=none", "logger=none")
    each = rows(train(settings(*few, "callbacks.scalars.every_images=8"), tmp_path / "each"))
    means = rows(train(settings(*few, "callbacks.scalars.every_images=32"), tmp_path / "means"))
    assert [int(row["images_seen"]) for row in means] == [32, 64, 96]
    for name in ("discriminator/total", "generator/adversarial", "logits/real", "probability/fake", "logits/accuracy"):
        steps = np.array([float(row[name]) for row in each])
        np.testing.assert_allclose([float(row[name]) for row in means], steps.reshape(3, 4).mean(1), rtol=1e-5)
    newest = rows(train(settings(*few, "callbacks.scalars.every_images=32", "callbacks.scalars.average=false"),
                        tmp_path / "newest"))
    clock = "throughput/images_per_second"
    assert [row | {clock: ""} for row in newest] == [row | {clock: ""} for row in each[3::4]]


def test_there_are_200_rows_over_the_budget_or_one_a_step_and_a_longer_run_keeps_the_distance(tmp_path):
    few = ("trainer=cpu", "model=mlp", "data.image_size=28", "model.generator.widths=[4]",
           "model.discriminator.widths=[4]", "data.batch_size=2", "callbacks=none", "logger=none")
    run = train(settings(*few, "budget.images=1000"), tmp_path / "run")
    assert [int(row["images_seen"]) for row in rows(run)] == [*(5 * n + n % 2 for n in range(1, 201))]
    longer = settings(*few, f"resume={run}", "budget.images=1040")
    train(longer, continuation=continuation(longer, ["budget.images=1040"], None))
    assert [int(row["images_seen"]) for row in rows(run)][200:] == [1006, 1010, 1016, 1020, 1026, 1030, 1036, 1040]
    assert len(rows(train(settings(*few, "budget.images=60"), tmp_path / "short"))) == 30


def test_a_run_that_diverges_says_so_and_is_not_called_completed(tmp_path):
    """Also where callbacks.health, which notices first, is left out"""
    wild = ("optimizer.generator.lr=1e30", "optimizer.discriminator.lr=1e30", "callbacks.scalars.every_images=8",
            "~callbacks.health")
    with pytest.raises(Diverged, match="Diverged: .*total.* not finite after"):
        train(settings(*TINY, *wild, "budget.images=400", "callbacks=none", "logger=none"), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "diverged"
    assert Diverged.exit_code == 3


def test_accuracy_is_counted_on_the_losss_own_boundary():
    real, fake = torch.tensor([2.0, 0.2, -1.0, 3.0]), torch.tensor([-1.0, 0.3, -2.0, -3.0])
    real, fake = torch.stack([real, -real]), torch.stack([fake, fake])  # of two steps
    assert accuracy(real, fake, NonSaturating.boundary).tolist() == [(3 / 4 + 3 / 4) / 2, (1 / 4 + 3 / 4) / 2]
    assert accuracy(real, fake, LeastSquares.boundary).tolist() == [(2 / 4 + 4 / 4) / 2, (1 / 4 + 4 / 4) / 2]
    pairs = [[r > f for r in real[step] for f in fake[step]] for step in (0, 1)]
    assert accuracy(real, fake, Wasserstein.boundary).tolist() == [sum(each) / 16 for each in pairs]
    assert accuracy(real, real, Wasserstein.boundary).tolist() == [6 / 16, 6 / 16]  # no real beats itself


def test_probabilities_are_what_the_loss_takes_logits_for():
    logits = torch.tensor([-1.0, 0.0, 0.25, 2.0])
    torch.testing.assert_close(NonSaturating().probability(logits), 1 / (1 + (-logits).exp()))
    assert LeastSquares().probability(logits).tolist() == [0, 0, 0.25, 1]
    assert Wasserstein().probability(logits) is None


def test_a_new_column_joins_the_table_late(tmp_path):
    table = Table(tmp_path / "metrics.csv")
    table.add({"images_seen": 1, "a": 2.0})
    table.add({"images_seen": 2, "a": 3.0, "b": 4.0})
    table.add({"images_seen": 3, "b": 5.0})
    assert rows(tmp_path) == [{"images_seen": "1", "a": "2.0", "b": ""}, {"images_seen": "2", "a": "3.0", "b": "4.0"},
                              {"images_seen": "3", "a": "", "b": "5.0"}]
