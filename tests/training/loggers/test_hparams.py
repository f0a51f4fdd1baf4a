"""The table of settings and final scores: what is in it, and that TensorBoard itself reads it so."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from saddlepoint.errors import Diverged
from saddlepoint.runs.resuming import continuation
from saddlepoint.training.loggers.adapter import End
from saddlepoint.training.loggers.hparams import varied_settings
from saddlepoint.training.loggers.tensorboard import TensorBoard
from saddlepoint.training.train import train
from tests.composing import settings

TINY = ("data.batch_size=8", "data.subset_size=16", "trainer=cpu", "model=mlp", "model.generator.widths=[4]",
        "model.discriminator.widths=[4]", "budget.images=32", "callbacks=none", "callbacks.scalars.every_images=8")


def shown(directory: Path) -> tuple[api_pb2.Experiment, dict[str, api_pb2.SessionGroup]]:
    """What the HParams tab gets of the event files below: columns, and lines by the run's name"""
    multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 0})
    multiplexer.AddRunsFromDirectory(str(directory))
    multiplexer.Reload()
    backend = Context(TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(directory))))
    backend.tb_context.data_provider, context = MultiplexerDataProvider(multiplexer, str(directory)), RequestContext()
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING]
    columns = backend.experiment_from_metadata(context, "", True, backend.hparams_metadata(context, ""),
                                               backend.hparams_from_data_provider(context, "", None))
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=statuses, slice_size=100)
    groups = Handler(context, backend, "", request).run().session_groups
    return columns, {group.name: group for group in groups}


def ended(directory: Path, state: str = "completed", scores=None, **more) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    end = End(state, 100, 5.0, {"seed": 0, "loss": "hinge", **more}, {"fid_x": 12.5} if scores is None else scores,
              {"images_seen": 100, "seconds": 7.0})
    TensorBoard().finish(None, directory, end)


def test_unlike_runs_share_a_table_and_what_differs_is_known(tmp_path):
    ended(tmp_path / "a", gamma=5.0, flag=True)
    ended(tmp_path / "b", seed=1, widths="[4,4]", scores={"is_x": 2.0})
    columns, lines = shown(tmp_path)
    assert {info.name: info.differs for info in columns.hparam_infos if info.name in ("seed", "loss")} == {
        "seed": True, "loss": False}
    assert {info.name for info in columns.hparam_infos} == {"seed", "loss", "gamma", "flag", "widths"}
    assert [info.name.tag for info in columns.metric_infos] == [
        "value_at_end/fid_x", "value_at_end/images_seen", "value_at_end/is_x", "value_at_end/seconds"]
    assert lines["a"].hparams["gamma"].number_value == 5.0 and lines["a"].hparams["flag"].bool_value is True
    assert lines["b"].hparams["widths"].string_value == "[4,4]" and lines["a"].sessions[0].start_time_secs == 5.0
    assert {value.name.tag: value.value for value in lines["a"].metric_values} == {
        "value_at_end/fid_x": 12.5, "value_at_end/images_seen": 100, "value_at_end/seconds": 7.0}


@pytest.mark.parametrize(("state", "status"), [("completed", api_pb2.STATUS_SUCCESS),
                                               ("diverged", api_pb2.STATUS_FAILURE),
                                               ("collapsed", api_pb2.STATUS_FAILURE)])
def test_a_line_says_how_the_run_ended(state, status, tmp_path):
    ended(tmp_path / "a", state)
    assert shown(tmp_path)[1]["a"].sessions[0].status == status


@pytest.mark.parametrize("state", ["stopped", "rollback"])
def test_a_run_that_goes_on_has_no_line_yet(state, tmp_path):
    ended(tmp_path / "a", state)
    assert not [*(tmp_path / "a").iterdir()]


def test_final_scores_are_the_last_columns_and_a_run_that_goes_on_is_one_line(tmp_path):
    run = train(settings(*TINY, "run.dir=" + str(tmp_path / "run")))
    columns, lines = shown(tmp_path)
    tags = [info.name.tag for info in columns.metric_infos]
    costs = ["value_at_end/images_per_second", "value_at_end/images_seen", "value_at_end/seconds"]
    assert tags[-3:] == costs and tags[0] == "discriminator/adversarial"

    longer = settings(*TINY, f"resume={run}", "budget.images=64")
    train(longer, continuation=continuation(longer, ["budget.images=64"], None))
    _, lines = shown(tmp_path)
    assert list(lines) == ["run"] and len(lines["run"].sessions) == 1
    assert lines["run"].hparams["budget.images"].number_value == 64
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    assert [event.step for event in events.Scalars("value_at_end/images_seen")] == [64]
    assert sorted(event.step for event in events.Scalars("generator/total")) == [8, 16, 24, 32, 40, 48, 56, 64]
    cost = json.loads((run / "metrics.json").read_text())["cost"]
    assert events.Scalars("value_at_end/seconds")[0].value == pytest.approx(cost["seconds"], rel=1e-6)


def test_a_run_that_diverged_is_a_line_with_what_it_has(tmp_path):
    wild = settings(*TINY, "optimizer.generator.lr=1e30", "optimizer.discriminator.lr=1e30", "budget.images=400",
                    "run.dir=" + str(tmp_path / "run"))
    with pytest.raises(Diverged):
        train(wild)
    [line] = shown(tmp_path)[1].values()
    assert line.sessions[0].status == api_pb2.STATUS_FAILURE
    seen = json.loads((tmp_path / "run" / "status.json").read_text())["images_seen"]
    final = {value.name.tag: value.value for value in line.metric_values}
    assert {tag: value for tag, value in final.items() if tag.startswith("value_at_end")} == {
        "value_at_end/images_seen": seen}


def test_settings_are_those_that_are_varied():
    found = varied_settings(settings("trick=[ema,r1]", "loss=hinge", "seed=7", "data.num_workers=1", "threads=1",
                                     "model.discriminator.normalization=none"))
    assert (found["seed"], found["loss"], found["trick"], found["model"]) == (7, "hinge", "[ema,r1]", "dcgan_small")
    assert found["optimizer.generator"] == "Adam" and found["optimizer.generator.betas"] == "[0.5,0.999]"
    assert isinstance(found["tricks.r1.gamma"], int | float) and found["precision"] == "32-true"
    assert all(isinstance(value, bool | int | float | str) for value in found.values())
    assert not [name for name in found if name.startswith(("callbacks", "trainer", "logger", "threads", "run",
                                                           "data.num_workers", "tricks.wgan_gp", "extractor"))]
