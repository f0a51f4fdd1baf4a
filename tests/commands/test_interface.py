"""The commands as functions: what a notebook and a program call."""

import errno
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pandas
import pytest
import torch
from PIL import Image

import saddlepoint
from saddlepoint.commands import interface
from saddlepoint.config.paths import changed
from saddlepoint.data import pixels
from saddlepoint.errors import DiskFull, RequestError, Stopped
from saddlepoint.networks import RRDBNet
from saddlepoint.runs.checkpoint import load
from saddlepoint.runs.reading import curves, read_settings
from saddlepoint.training.callbacks.stopping import StopOnSignal
from tests.composing import settings as composed

TINY = {"data": {"batch_size": 8, "subset_size": 140}, "trainer": "cpu", "callbacks": "none", "logger": "none",
        "model": {"generator": {"width": 4}, "discriminator": {"width": 4}}}
TYPED = ("data.batch_size=8", "data.subset_size=140", "trainer=cpu", "callbacks=none", "logger=none",
         "model.generator.width=4", "model.discriminator.width=4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("interface") / "a run, (1)"
    return saddlepoint.train("loss=hinge", budget={"images": 16}, trick="ema", **{"run.dir": path}, **TINY)


def test_train_returns_the_run_directory(run):
    assert isinstance(run, Path) and run.name == "a run, (1)"
    assert load(run / "checkpoints" / "last.ckpt")["images_seen"] == 16


def test_values_and_texts_are_the_settings_that_the_command_would_have(run):
    typed = composed(*TYPED, "loss=hinge", "budget.images=16", "trick=[ema]")
    assert read_settings(run / "config.yaml") == changed(typed, {"run.dir": str(run)})


def test_the_run_knows_the_call_that_trained_it(run):
    start = 'saddlepoint.train("loss=hinge", "budget.images=16", "trick=ema", "run.dir=\'/'
    assert saddlepoint.load_run(run).command.startswith(start)


def test_a_run_goes_on_with_more_of_its_own_settings(run, tmp_path):
    begun = saddlepoint.train(*TYPED, "budget.images=16", run={"dir": tmp_path / "begun"})
    assert saddlepoint.train(resume=begun, budget={"images": 24}, **{"data.subset_size": 140}) == begun
    assert saddlepoint.load_run(begun).images_seen == 24


def test_curves_are_a_table_of_images_seen(run):
    loaded = saddlepoint.load_run(run)
    table, points = loaded.curves(), curves(run / "metrics.csv")
    assert isinstance(table, pandas.DataFrame) and table.index.name == "images_seen" and table.index[-1] == 16
    assert {name: [*table[name].dropna().items()] for name in table} == points and "generator/total" in table
    assert loaded.state == "completed" and loaded.seed == 0
    with pytest.raises(RequestError, match="is not the directory of one run"):
        saddlepoint.load_run(run.parent)


def test_curves_of_different_spacing_share_a_table(tmp_path):
    (tmp_path / "metrics.csv").write_text("images_seen,a,b\n10,1,\n20,,5\n30,3,nan\n")
    run = interface.Run(tmp_path, "x", {}, {}, "completed", "", None, None, "", {}, "", "", None)
    table = run.curves()
    assert list(table.index) == [10, 20, 30] and list(table) == ["a", "b"]
    assert table["a"].dropna().to_dict() == {10: 1, 30: 3} and table["b"].dropna().to_dict() == {20: 5}


def test_evaluate_returns_values_by_name(run, tmp_path):
    values = saddlepoint.evaluate(run=run, extractor="random", num_fake=140, metric=["fid"], remember=False,
                                  output=tmp_path / "out.json")
    assert list(values) == ["fid_random"] and values["fid_random"] > 0


def test_compare_returns_a_data_frame_prints_nothing_and_writes_files(run, tmp_path, capsys):
    frame = saddlepoint.compare(runs=[run], output=tmp_path / "table")
    assert [*frame.index] == [1] and frame.loc[1, "images_seen"] == 16 and frame.attrs["notes"]
    assert (tmp_path / "table.csv").read_text() == frame.to_csv() and capsys.readouterr().out == ""


def test_sample_returns_the_files_that_it_wrote(run):
    grid, *single = saddlepoint.sample(run=run, count=2, files=True, output="two.png")
    assert (grid.name, [path.name for path in single]) == ("two.png", ["000000.png", "000001.png"])
    [film] = saddlepoint.sample("interpolate=[3,8]", run=run, steps=3, output=Path("walk.gif"))
    assert Image.open(film).n_frames == 3


def test_export_returns_the_path_of_the_file(run, monkeypatch):
    from saddlepoint.commands import exporting
    monkeypatch.setattr(exporting.exporting, "write", lambda what, path, kind: path.write_bytes(b"") or 0.0)
    assert saddlepoint.export(run=run, format="pt2", output="generator.pt2").name == "generator.pt2"
    assert Path("generator.pt2").exists()


def test_grid_is_a_picture_of_tensors(run):
    images = saddlepoint.load_generator(run).sample(5, seed=3)
    picture = saddlepoint.grid(images, columns=5)
    [file] = saddlepoint.sample(run=run, count=5, seed=3, columns=5, output="five.png")
    assert picture.tobytes() == Image.open(file).tobytes()
    assert saddlepoint.grid(pixels.to_bytes(images), 5) == picture
    assert saddlepoint.grid(torch.zeros(4, 3, 2, 2)).mode == "RGB"


def test_upscale_returns_the_path_of_each_result_and_of_those_there_already(monkeypatch, tmp_path):
    from saddlepoint.upscaling import weights
    network = RRDBNet(channels=3, scale=2, width=4, growth=2, num_blocks=1)
    monkeypatch.setattr(weights, "load", lambda name: weights.Weights(network, name, "a test"))
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 3)).save(tmp_path / "photos" / name)
    (tmp_path / "x2").mkdir()
    (tmp_path / "x2" / "a.png").write_bytes(b"there already")
    results = saddlepoint.upscale(input=tmp_path / "photos", output=tmp_path / "x2", tile=16)
    assert [path.read_bytes() == b"there already" for path in results] == [True, False]
    assert Image.open(results[1]).size == (8, 6)


def test_a_slip_is_raised_as_the_sentence_that_the_command_prints():
    with pytest.raises(RequestError, match="loss=hing does not exist: did you mean hinge?"):
        saddlepoint.train(loss="hing")
    with pytest.raises(RequestError, match="budget.images=-1 must be a whole number of at least 1"):
        saddlepoint.train(budget={"images": -1})
    with pytest.raises(RequestError, match="budget.imagez is not a setting: did you mean budget.images?"):
        saddlepoint.train(budget={"imagez": 1})
    with pytest.raises(RequestError, match="loss=null is not a choice: loss= takes"):
        saddlepoint.train(loss=None)
    with pytest.raises(RequestError, match="hinge is not a setting: settings are written name=value"):
        saddlepoint.train("hinge")
    with pytest.raises(RequestError, match="input is not set: name an image file"):
        saddlepoint.upscale()
    with pytest.raises(RequestError, match="run is not set: name the directory of a run that translates"):
        saddlepoint.translate(input="photo.png")


@pytest.mark.parametrize(("number", "end", "why"), [
    (errno.ENOSPC, DiskFull, "somewhere"), (errno.ENAMETOOLONG, RequestError, "cannot be used: .* a shorter name"),
    (errno.EIO, OSError, "somewhere")])
def test_a_full_disk_and_a_long_name_are_the_ends_that_they_are_for_commands(run, monkeypatch, number, end, why):
    def fail(*arguments):
        raise OSError(number, os.strerror(number), "somewhere")

    monkeypatch.setattr("saddlepoint.commands.drawing_requests.refuse_places", fail)
    with pytest.raises(end, match=why):
        saddlepoint.sample(run=run)


def test_lines_to_type_are_python_and_work():
    with pytest.raises(RequestError, match="needs a Lipschitz critic") as refusal:
        saddlepoint.train(loss="wasserstein")
    line = str(refusal.value).splitlines()[-1].strip()
    assert line == 'saddlepoint.train("loss=wasserstein", "trick=[wgan_gp]", "model.discriminator.normalization=layer")'
    started = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saddlepoint.training.train.train", lambda settings, *rest: started.update(settings))
        eval(line)  # what a user would paste
    assert started["trick"] == ["wgan_gp"] and started["loss"]["_target_"].endswith("Wasserstein")


def test_a_notebook_shows_a_refusal_without_a_traceback():
    assert RequestError("budget.images=-1: why")._render_traceback_() == ["RequestError: budget.images=-1: why"]


def test_what_belongs_to_a_shell_is_named_as_a_line_for_a_shell():
    with pytest.raises(RequestError, match="-m is for the command line: type it in a terminal, python train.py -m"):
        saddlepoint.train("-m")
    with pytest.raises(RequestError, match="trainer.devices=2 starts processes, and each would run this whole program: "
                                           "type it in a terminal, python train.py trainer.devices=2"):
        saddlepoint.train("trainer.devices=2")
    with pytest.raises(RequestError, match="describe=true prints networks and trains none: type it in a terminal, "
                                           "python train.py describe=true"):
        saddlepoint.train(describe=True)


def test_torch_is_as_it_was_and_so_are_the_filters_of_warnings(tmp_path):
    threads, filters = torch.get_num_threads(), [*warnings.filters]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    saddlepoint.train(*TYPED, "budget.images=8", threads=2, run={"dir": tmp_path / "run"})
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads and warnings.filters == filters


class Interrupted(StopOnSignal):
    """Ctrl-C, or the notebook's square, after the first step"""

    def on_train_batch_end(self, *arguments):
        if self.former_handlers:
            os.kill(os.getpid(), signal.SIGINT)
        super().on_train_batch_end(*arguments)


def test_an_interrupt_ends_a_run_with_a_checkpoint_and_the_next_one_trains(tmp_path, monkeypatch):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        patch.setattr("saddlepoint.training.train.StopOnSignal", Interrupted)
        with pytest.raises(Stopped, match="Stopped by SIGINT after") as stopped:
            saddlepoint.train(*TYPED, "budget.images=800", run={"dir": tmp_path / "run"})
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    line = str(stopped.value).partition("To go on, type ")[2]
    assert line == f'saddlepoint.train("resume={tmp_path}/run")'
    half = saddlepoint.load_run(tmp_path / "run")
    assert half.state == "stopped" and half.images_seen < 800
    assert saddlepoint.train(resume=half.path, budget={"images": half.images_seen + 8}) == tmp_path / "run"


def test_an_error_in_training_leaves_no_handler_behind(tmp_path, monkeypatch):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    def fail(self, *arguments):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("saddlepoint.training.callbacks.stopping.Budget.on_train_batch_end", fail)
        with pytest.raises(RuntimeError, match="a bug"):
            saddlepoint.train(*TYPED, run={"dir": tmp_path / "failed"})
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert saddlepoint.load_run(tmp_path / "failed").state == "failed"


def test_a_thread_can_train(tmp_path):
    done = []
    thread = threading.Thread(target=lambda: done.append(
        saddlepoint.train(*TYPED, "budget.images=8", run={"dir": tmp_path / "run"})))
    thread.start()
    thread.join()
    assert done == [tmp_path / "run"]


def test_importing_saddlepoint_imports_nothing_that_takes_time():
    code = "import sys; before = {*sys.modules}; import saddlepoint; print(*sorted({*sys.modules} - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in done} <= {"saddlepoint", *sys.stdlib_module_names} and len(done) < 20
