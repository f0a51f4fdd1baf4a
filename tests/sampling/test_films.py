"""Films, read back with Pillow and PyAV: as many frames as were composed, in their order, size and time."""

import sys
from pathlib import Path

import av
import numpy
import pytest
import torch
from PIL import Image, ImageSequence

from saddlepoint.data import pixels
from saddlepoint.errors import RequestError
from saddlepoint.sampling import films
from saddlepoint.sampling.generator import SamplingGenerator
from tests.painting import LATENTS, LEVEL, Studio, cells_of, painting_generator
from tests.sampling.test_codes_drawn import LATENTS as CODED
from tests.sampling.test_codes_drawn import CodePainter


@pytest.fixture
def studio(tmp_path, monkeypatch):
    return Studio(tmp_path, monkeypatch)


def read_gif(path: Path) -> tuple[numpy.ndarray, float]:
    """Returns the frames [T, H, W, 3], and the seconds they last in all."""
    with Image.open(path) as film:
        assert film.info["loop"] == 0  # for ever
        frames = [numpy.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
        milliseconds = 0
        for number in range(film.n_frames):
            film.seek(number)
            milliseconds += film.info["duration"]
    return numpy.stack(frames), milliseconds / 1000


def read_mp4(path: Path) -> tuple[numpy.ndarray, float]:
    with av.open(str(path)) as film:
        [stream] = film.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = numpy.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(stream)])
        return frames, film.duration / av.time_base


def cells(frame: numpy.ndarray) -> torch.Tensor:
    """A grey frame [H, W, 3] -> [rows, columns, 4]"""
    return cells_of(torch.from_numpy(frame[..., 0].copy()).int())


def test_a_gif_walks_from_seed_to_seed_and_passes_each_once(studio, capsys):
    generator = painting_generator(distribution="uniform")
    studio.draw(generator, "class=dog", "interpolate=[1,2,1]", "steps=5", "format=gif", "fps=20")
    path = studio.run / "drawn" / "last_class1_walk1-2-1_count1_steps5_fps20.gif"
    assert capsys.readouterr().out == f"9 frames of class 1 (dog), 0.45 seconds: {path}\n"
    frames, seconds = read_gif(path)
    assert frames.shape == (9, 2, 2, 3) and seconds == pytest.approx(0.45)
    first, second = (generator.latents.of_images(seed, 0, 1) for seed in (1, 2))
    for number, share in enumerate((0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 4, 1 / 2, 1 / 4, 0)):
        expected = pixels.to_bytes(torch.lerp(first, second, share) / 8)[0].numpy()
        assert numpy.abs(frames[number, ..., 0].flatten()[1:].astype(int) - expected).max() <= 1
        assert frames[number, 0, 0].tolist() == [LEVEL] * 3


def test_several_images_walk_side_by_side_each_from_its_class_to_the_others(studio):
    generator = painting_generator()
    studio.draw(generator, "interpolate=[4,9]", "count=6", "columns=2", "steps=3", "output=walk.gif")
    frames, _ = read_gif(Path("walk.gif"))
    assert len(frames) == 3 and cells(frames[0]).shape == (3, 2, 4)
    for frame, seed in ((frames[0], 4), (frames[2], 9)):
        assert torch.equal(cells(frame).flatten(0, 1), pixels.to_bytes(generator.sample(6, seed)).flatten(1).int())
    ends = sum(cells(frame)[..., 0] for frame in (frames[0], frames[2]))
    assert ((cells(frames[1])[..., 0] - ends / 2).abs() <= 1).all()  # half of each class


def test_a_film_of_classes_changes_the_class_and_nothing_else(studio):
    studio.draw(painting_generator(), "interpolate_class=[cat,fox]", "steps=4", "count=1", "format=gif")
    frames, seconds = read_gif(studio.run / "drawn" / "last_classwalk0-3_seed0_count1_steps4.gif")
    assert frames[:, 0, 0, 0].tolist() == [0, 40, 80, 120]
    latents = frames[..., 0].reshape(4, 4)[:, 1:]
    assert (latents == latents[0]).all()
    assert seconds == pytest.approx(4 / 24, abs=0.005)  # the default, on a clock of hundredths


def test_a_film_of_a_code_changes_the_code_and_nothing_else(studio):
    generator = SamplingGenerator(CodePainter(), CODED)
    studio.draw(generator, "codes=2", "count=2", "steps=3", "code_range=[-1,1]", "columns=1", "output=codes.gif")
    frames, _ = read_gif(Path("codes.gif"))
    latents = generator.latents.of_images(0, 0, 2)
    for frame, value in zip(frames, (-1.0, 0.0, 1.0), strict=True):
        expected = generator.of_latents(generator.latents.with_code(latents, 2, torch.full((2,), value)))
        assert torch.equal(cells(frame).flatten(0, 1), pixels.to_bytes(expected).flatten(1).int())


def test_an_mp4_shows_the_frames_in_their_order_and_time(tmp_path):
    ramp = torch.linspace(0, 255, 32).view(1, 1, 32).expand(1, 32, 32).to(torch.uint8)
    frames = [torch.cat([ramp, ramp.mT, torch.full_like(ramp, 8 * number)]) for number in range(30)]
    assert films.write_film(tmp_path / "film.mp4", frames, 12.5) == 30
    shown, seconds = read_mp4(tmp_path / "film.mp4")
    assert shown.shape == (30, 32, 32, 3) and seconds == pytest.approx(30 / 12.5, abs=0.01)
    originals = torch.stack(frames).permute(0, 2, 3, 1).numpy().astype(int)
    assert numpy.abs(shown - originals).mean((1, 2, 3)).max() < 6  # levels: every frame is its own, each is 2.7 apart
    assert numpy.diff(shown[..., 2].mean((1, 2))).min() > 4


def test_a_film_in_colours_is_close_to_them_as_a_gif(tmp_path):
    frames = [torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(number)).mul(255).to(torch.uint8)
              for number in range(3)]
    assert films.write_film(tmp_path / "film.gif", frames, 10) == 3
    shown, seconds = read_gif(tmp_path / "film.gif")
    assert shown.shape == (3, 5, 7, 3) and seconds == pytest.approx(0.3)
    assert numpy.abs(shown - torch.stack(frames).permute(0, 2, 3, 1).numpy().astype(int)).mean() < 8


def run_with_pictures(run: Path, name: str = "images", size: tuple[int, int] = (9, 7)) -> list[int]:
    """Writes pictures of grey that brighten as training goes on, the last one larger; returns their levels."""
    (run / "samples").mkdir(exist_ok=True)
    levels = [10, 60, 110, 160]
    for number, level in enumerate(levels):
        picture = Image.new("L", (size[0] + 2 * (number == 3), size[1]), level)
        picture.save(run / "samples" / f"{name}_{number * 500:010d}.png")
    return levels


@pytest.mark.parametrize(("kind", "size", "reader"), [("gif", (7, 11), read_gif), ("mp4", (8, 12), read_mp4)])
def test_trainings_pictures_become_a_film_without_the_checkpoint(tmp_path, monkeypatch, capsys, kind, size, reader):
    studio = Studio(tmp_path, monkeypatch)
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    levels = run_with_pictures(tmp_path)
    studio.draw(None, "training=images", f"format={kind}")
    path = tmp_path / "drawn" / f"training_images.{kind}"
    assert capsys.readouterr().out == f"4 frames from 0 to 1,500 images seen, 1 seconds: {path}\n"
    frames, seconds = reader(path)
    assert frames.shape[:3] == (4, *size) and seconds == pytest.approx(1)  # H.264 takes even sizes only
    assert numpy.abs(frames[:, 3, 3, 0].astype(int) - levels).max() <= 3
    assert frames[0, 3, 10].max() <= 3  # a smaller picture has a black edge
    assert not list(path.parent.glob(".*"))  # nor is anything left beside it


@pytest.mark.parametrize(("typed", "why"), [
    (["format=mp4"], "format=mp4 is a film, and this is one picture: say what moves with interpolate="),
    (["output=x.gif", "class=all"], "output=x.gif is a film, and this is one picture"),
    (["format=gif", "arithmetic=1-2"], "format=gif is a film, and this is one picture"),
    (["format=jpg"], "format=jpg must be one of png, gif, mp4, npz, zip, null"),
    (["interpolate=[1,2]", "fps=0", "format=gif"], "fps=0 must be a number at least 0.01 and at most 240"),
    (["interpolate=[1,2]", "fps=60", "format=gif"], "fps=60: a GIF has at most 50 frames a second"),
    (["interpolate=[1,2]", "fps=9"], "fps=9 is the speed of a film, and this is a picture: add format=gif"),
    (["interpolate=[1,2]", "format=gif", "files=true"], "format=gif is one file, and files=true writes single"),
    (["interpolate=[1,2]", "format=gif", "output=x.mp4"], r"output=\S*x.mp4 must be a GIF file: type output=\S*x.gif"),
    (["interpolate=[1,2]", "format=mp4", "output=x"], r"output=\S*x must be an MP4 file: type output=\S*x.mp4"),
    (["interpolate=[1,2]", "steps=1", "format=gif"], "steps=1 must be a whole number of at least 2"),
    (["codes=[1,2]", "format=gif"], r"format=gif with codes=\[1, 2\]: in a film one code changes. Type codes=1"),
    (["training=images"], "training=images is a film of the pictures in the run's folder samples/: add format=gif"),
    (["training=images", "format=gif", "count=3", "class=cat"], "as training drew them: leave class=, count= out"),
    (["training=images", "format=gif", "interpolate=[1,2]"], "interpolate= and training= are two pictures"),
    (["training=faces", "format=gif"], r"no pictures samples/faces_\*.png: type one of training=images"),
])
def test_what_is_no_film_is_refused_in_a_sentence(studio, typed, why):
    run_with_pictures(studio.run)
    with pytest.raises(RequestError, match=why):
        studio.draw(painting_generator(), *typed)
    assert not (studio.run / "drawn").exists()


def test_without_pyav_the_sentence_says_what_to_install(studio, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(RequestError, match=r"format=mp4 needs the package av: type pip install 'saddlepoint\[video\]', "
                                           "or format=gif"):
        studio.draw(painting_generator(), "interpolate=[1,2]", "format=mp4")


def test_a_picture_that_cannot_be_read_is_named(studio):
    run_with_pictures(studio.run)
    (studio.run / "samples" / "images_0000000500.png").write_bytes(b"no picture")
    with pytest.raises(RequestError, match="images_0000000500.png cannot be read .*: delete it"):
        studio.draw(None, "training=images", "format=gif")
    assert not (studio.run / "drawn" / "training_images.gif").exists()


def test_a_walk_of_tensors_is_the_picture_of_that_walk(studio):
    generator = painting_generator()
    latents = torch.cat([generator.latents.of_images(seed, 0, 1) for seed in (3, 8, 5)])
    images = generator.walk(latents, 4, labels="dog")
    studio.draw(generator, "class=dog", "interpolate=[3,8,5]", "steps=4")
    drawn = studio.cells("last_class1_walk3-8-5_steps4")
    assert torch.equal(pixels.to_bytes(images).view(2, 4, 4).int(), drawn)
    classes = generator.walk(latents[:2], 5, labels=torch.tensor([0, 2]))
    assert pixels.to_bytes(classes)[:, 0, 0, 0].tolist() == [0, 20, 40, 60, 80]
    with pytest.raises(ValueError, match="latents of 1 were given"):
        generator.walk(latents[:1])
    with pytest.raises(ValueError, match="makes images of classes"):
        generator.walk(latents)
    assert painting_generator(0).walk(torch.zeros(2, LATENTS), 3).shape == (3, 1, 2, 2)
