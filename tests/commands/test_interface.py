"""The commands as functions: what a notebook calls."""

import pytest

import saddlepoint
from saddlepoint.errors import RequestError
from saddlepoint.runs.checkpoint import load

TINY = ("budget.images=16", "data.batch_size=8", "model.generator.width=4", "model.discriminator.width=4",
        "data.subset_size=140", "trainer=cpu", "callbacks=none", "logger=none")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return saddlepoint.train(*TINY, f"run.dir={tmp_path_factory.mktemp('interface') / 'a run'}")


def test_train_returns_the_run_directory(run):
    assert run.name == "a run" and load(run / "checkpoints" / "last.ckpt")["images_seen"] == 16


def test_a_run_goes_on(run, tmp_path):
    again = saddlepoint.train(*TINY[1:], "budget.images=16", f"run.dir={tmp_path / 'begun'}")
    assert saddlepoint.train(f"resume={again}", "budget.images=24") == again
    assert saddlepoint.load_run(again).images_seen == 24


def test_a_run_is_loaded_with_its_settings_and_curves(run):
    loaded = saddlepoint.load_run(run)
    assert loaded.state == "completed" and loaded.seed == 0
    with pytest.raises(RequestError, match="is not the directory of one run"):
        saddlepoint.load_run(run.parent)


def test_evaluate_returns_values_by_name(run, tmp_path):
    values = saddlepoint.evaluate(f"run={run}", "extractor=random", "num_fake=140", "metric=[fid]", "remember=false",
                                  f"output={tmp_path / 'out.json'}")
    assert list(values) == ["fid_random"] and values["fid_random"] > 0


def test_compare_returns_a_data_frame_prints_nothing_and_writes_files(run, tmp_path, capsys):
    frame = saddlepoint.compare(f"runs={run}", f"output={tmp_path / 'table'}")
    assert [*frame.index] == [1] and frame.loc[1, "images_seen"] == 16 and frame.attrs["notes"]
    assert (tmp_path / "table.csv").read_text() == frame.to_csv() and capsys.readouterr().out == ""


def test_a_slip_is_raised_as_the_sentence_that_the_command_prints():
    with pytest.raises(RequestError, match="loss=hing does not exist: did you mean hinge?"):
        saddlepoint.train("loss=hing")
    with pytest.raises(RequestError, match="budget.images=-1 must be a whole number of at least 1"):
        saddlepoint.train("budget.images=-1")
    with pytest.raises(RequestError, match="needs a Lipschitz critic"):
        saddlepoint.train("loss=wasserstein")
    with pytest.raises(RequestError, match="input is not set: name an image file"):
        saddlepoint.upscale()
    with pytest.raises(RequestError, match="run is not set: name the directory of a run that translates"):
        saddlepoint.translate("input=photo.png")
