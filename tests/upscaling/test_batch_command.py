"""upscale.py without a process of its own: settings in, files and sentences out."""

import re
from pathlib import Path

import numpy
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from saddlepoint.config.check import checked_settings
from saddlepoint.config.setting_rules import OF_COMMANDS
from saddlepoint.errors import EndOfRun, RequestError, Stopped
from saddlepoint.upscaling import batch
from saddlepoint.upscaling import progress_bar as progress_module
from saddlepoint.upscaling.progress_bar import Progress
from tests.composing import composed
from tests.data.formats import bomb, photo
from tests.upscaling.files import deep_png, exif_with, random_pixels, saved, seen_by_opencv
from tests.upscaling.weight_files import small_rrdbnet, write_pth


@pytest.fixture
def net(tmp_path_factory) -> Path:
    return write_pth(tmp_path_factory.mktemp("weights") / "net.pth", small_rrdbnet())


def upscale(*overrides: str) -> None:
    config, _ = composed(*overrides, config="upscale")
    batch.upscale(checked_settings(OmegaConf.create(config), OF_COMMANDS["upscale"]))


def by_the_network(pixels: numpy.ndarray, full: int = 255) -> numpy.ndarray:
    """[h, w, C] through the whole network at once -> [4h, 4w, C]"""
    low = torch.from_numpy(pixels.astype(numpy.float32)).permute(2, 0, 1)[None] / full
    with torch.no_grad():
        high = small_rrdbnet()(low)[0].permute(1, 2, 0) * full
    return high.numpy().round().clip(0, full)


def only(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_photograph_goes_through_the_network_and_keeps_what_it_says(net, tmp_path, capsys):
    picture = photo(30, 20)
    saved(tmp_path / "a.png", picture, exif=exif_with(1), dpi=(300, 300))
    upscale("input=a.png", f"weights={net}", "tile=16")
    done = Image.open("a_x4.png")
    assert numpy.abs(numpy.asarray(done) - by_the_network(numpy.asarray(picture))).max() <= 1
    assert done.getexif()[271] == "Maker" and done.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    said = capsys.readouterr().out
    assert f"weights: net, from {net}" in said and "a.png -> a_x4.png: 30 x 20 -> 120 x 80" in said
    assert only(tmp_path) == {"a.png", "a_x4.png"}


def test_16_bits_stay_16_bits_all_the_way(net, tmp_path):
    pixels = random_pixels(3, numpy.uint16, 12, 9) // 300  # a dark picture
    (tmp_path / "a.png").write_bytes(deep_png(pixels))
    upscale("input=a.png", f"weights={net}", "output=a.tiff")
    high = seen_by_opencv(tmp_path / "a.tiff")
    assert high.dtype == numpy.uint16 and numpy.abs(high - by_the_network(pixels, 65535)).max() <= 1


def test_grey_comes_back_grey_and_the_scale_can_be_any(net, tmp_path):
    saved(tmp_path / "a.png", photo(10, 10).convert("L"))
    upscale("input=a.png", f"weights={net}", "scale=2.5", "format=webp", "quality=50")
    assert Image.open("a_x2.5.webp").size == (25, 25)
    upscale("input=a.png", f"weights={net}", "scale=3")
    assert (Image.open("a_x3.png").mode, Image.open("a_x3.png").size) == ("L", (30, 30))


def test_a_folder_is_done_file_by_file_with_comparisons(net, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        saved(tmp_path / "in" / name, photo(8, 8))
    upscale("input=in", f"weights={net}", "compare=true")
    assert only(tmp_path / "in_x4") == {"a.png", "a_compare.png", "b.jpg", "b_compare.png"}
    assert "2 images upscaled" in capsys.readouterr().out


def test_one_bad_file_is_named_does_not_stop_the_rest_and_shows_in_the_exit_code(net, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        saved(tmp_path / "in" / name, photo(8, 8))
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    (tmp_path / "in" / "d.png").write_bytes((tmp_path / "in" / "a.png").read_bytes()[:120])  # a good header
    (tmp_path / "in" / "e.png").write_bytes(bomb(9000))
    with pytest.raises(EndOfRun, match="3 of 5 images could not be upscaled: in/b.png, in/e.png, in/d.png") as end:
        upscale("input=in", f"weights={net}")
    assert end.value.exit_code == 1 and not isinstance(end.value, RequestError)
    assert only(tmp_path / "in_x4") == {"a.png", "c.png"}
    said = capsys.readouterr().err
    assert "in/b.png was left out: its content is not that of an image" in said
    assert "in/d.png was left out: " in said and "more than max_pixels=16000000" in said


def test_when_none_can_be_done_the_request_was_wrong(net, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "in" / name).write_bytes(b"no image")
    with pytest.raises(RequestError, match="None of 2 images could be upscaled"):
        upscale("input=in", f"weights={net}")
    with pytest.raises(RequestError, match="input=in/a.png could not be upscaled"):
        upscale("input=in/a.png", f"weights={net}")
    assert not (tmp_path / "in_x4").exists() and only(tmp_path / "in") == {"a.png", "b.png"}


def test_the_same_command_goes_on_with_the_rest(net, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        saved(tmp_path / "in" / name, photo(8, 8))
    (tmp_path / "in_x4").mkdir()
    (tmp_path / "in_x4" / "a.png").write_bytes(b"precious")
    upscale("input=in", f"weights={net}")
    assert (tmp_path / "in_x4" / "a.png").read_bytes() == b"precious" and (tmp_path / "in_x4" / "b.png").exists()
    assert "left as they are: 1 results that exist already (overwrite=true" in capsys.readouterr().out
    upscale("input=in", f"weights={net}", "overwrite=true")
    assert Image.open(tmp_path / "in_x4" / "a.png").size == (32, 32)


def test_a_comparison_is_made_with_its_result_alone(net, tmp_path, capsys):
    """Beside a result that is there already, which other weights may have made, it would be of another."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in_x4").mkdir()
    for name in ("a.png", "b.png"):
        saved(tmp_path / "in" / name, photo(8, 8))
    for name in ("a.png", "b_compare.png"):
        (tmp_path / "in_x4" / name).write_bytes(b"precious")
    upscale("input=in", f"weights={net}", "compare=true")
    assert only(tmp_path / "in_x4") == {"a.png", "b.png", "b_compare.png"}
    assert all((tmp_path / "in_x4" / name).read_bytes() == b"precious" for name in ("a.png", "b_compare.png"))
    assert "left as they are: 1 results that exist already" in capsys.readouterr().out


@pytest.mark.parametrize("last", ["side_by_side", "fit_to_format"])
def test_an_interruption_costs_no_comparison(last, net, tmp_path, monkeypatch):
    saved(tmp_path / "a.png", photo(8, 8))

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(batch if last == "side_by_side" else batch.writing, last, interrupted)
        upscale("input=a.png", f"weights={net}", "compare=true")
    assert only(tmp_path) == {"a.png"}
    upscale("input=a.png", f"weights={net}", "compare=true")
    assert only(tmp_path) == {"a.png", "a_x4.png", "a_x4_compare.png"}


def test_ctrl_c_says_how_far_it_came_and_leaves_whole_files_only(net, tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        saved(tmp_path / "in" / name, photo(8, 8))
    real, calls = batch.enlarge, []

    def impatient(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(batch, "enlarge", impatient)
    with pytest.raises(Stopped, match="1 of 3 done. The same command goes on with the rest") as end:
        upscale("input=in", f"weights={net}")
    assert end.value.exit_code == 130 and only(tmp_path / "in_x4") == {"a.png"}


@pytest.mark.parametrize(("overrides", "words"), [
    ((), "input is not set"),
    (("input=nowhere.png",), "input=nowhere.png does not exist"),
    (("input=a.png", "weights=nowhere.pth"), "weights=nowhere.pth is neither a name known here nor a file"),
    (("input=a.png", "output=a.png", "overwrite=true"), "a.png is itself an input"),
    (("input=a.png", "output=a.gif"), "output=a.gif must end in"),
    (("input=a.png", "scale=0"), "scale=0 must be a number above 0"),
    (("input=a.png", "scale=-2"), "scale=-2 must be a number above 0"),
    (("input=a.png", "tile=8"), "tile=8 must be one of auto, or a whole number of at least 16"),
    (("input=a.png", "overlap=-1"), "overlap=-1 must be a whole number"),
    (("input=a.png", "format=gif"), "format=gif must be one of png, jpg, webp, tiff"),
    (("input=a.png", "quality=101"), "quality=101 must be a whole number from 1 to 100"),
    (("input=a.png", "weights=null"), "weights=null must be a path"),
])
def test_wrong_requests_are_answered_in_a_sentence(overrides, words, net, tmp_path):
    saved(tmp_path / "a.png", photo(8, 8))
    given = overrides if any("weights" in override for override in overrides) else (*overrides, f"weights={net}")
    with pytest.raises(RequestError, match=re.escape(words)):
        upscale(*given)
    assert only(tmp_path) == {"a.png"}


@pytest.mark.parametrize(("overrides", "words"), [
    (("scale=9000",), "scale=9000 would make 72000 x 72000 pixels of it, more than 16 times max_pixels=16000000"),
    (("scale=2100", "format=webp", "max_pixels=20000000"),
     "16800 x 16800 pixels do not fit into WEBP, which takes 16383 a side: type format=png"),
    (("max_pixels=63",), "8 x 8 pixels are more than max_pixels=63: type max_pixels=64"),
])
def test_sizes_that_cannot_be_are_refused_before_anything_is_computed(overrides, words, net, tmp_path, capsys,
                                                                      monkeypatch):
    saved(tmp_path / "a.png", photo(8, 8))
    monkeypatch.setattr(batch, "enlarge", None)
    with pytest.raises(RequestError, match="input=a.png could not be upscaled"):
        upscale("input=a.png", f"weights={net}", *overrides)
    assert words in capsys.readouterr().err


def test_weights_that_give_no_numbers_write_no_picture(tmp_path, capsys):
    broken = small_rrdbnet()
    broken.conv_last.bias.data.fill_(float("nan"))
    saved(tmp_path / "a.png", photo(8, 8))
    with pytest.raises(RequestError):
        upscale("input=a.png", f"weights={write_pth(tmp_path / 'broken.pth', broken)}")
    assert "not finite" in capsys.readouterr().err and only(tmp_path) == {"a.png", "broken.pth"}


def test_progress_says_file_tile_and_the_time_left(capsys, monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: next(clock))
    progress = Progress(files=2, pixels=400)
    with progress.working_on("a.png", 100):
        progress.tile(1, 2)
        progress.tile(2, 2)
    with progress.working_on("b.png", 300):
        progress.tile(1, 3)
        progress.tile(3, 3)
    progress.close()
    assert capsys.readouterr().err == (  # 20 s for 50 of 400 pixels, and so on
        "1 of 2, a.png: tile 1 of 2, 02:20 left\n"
        "1 of 2, a.png: tile 2 of 2, 02:00 left\n"
        "2 of 2, b.png: tile 1 of 3, 01:00 left\n")
