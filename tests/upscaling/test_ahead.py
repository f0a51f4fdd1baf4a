"""What keeps a GPU busy in upscale.py, tried on the CPU: tiles are begun ahead, and results written behind."""

import threading

import pytest
import torch
from PIL import Image

from saddlepoint.errors import DiskFull, EndOfRun, Stopped
from saddlepoint.upscaling import batch, tiling, writing, writing_behind
from saddlepoint.upscaling.tile_choice import largest_tile, tile_that_fits
from saddlepoint.upscaling.tiling import TILE, TiledUpscaler
from tests.data.formats import photo
from tests.upscaling.files import saved
from tests.upscaling.networks import Upscaler
from tests.upscaling.test_batch_command import net, only, upscale  # noqa: F401  net is a fixture
from tests.upscaling.test_tiling import noise


@pytest.mark.parametrize("count", [1, 2, 100])
def test_tiles_that_are_begun_ahead_make_the_same_picture(count, monkeypatch):
    network, low = Upscaler(), (noise(3, 70, 90) * 255).to(torch.uint8)
    plain = TiledUpscaler(network, tile=16)(low)
    monkeypatch.setattr(tiling, "ahead", lambda device: count)
    seen = []
    assert torch.equal(TiledUpscaler(network, tile=16)(low, lambda *done: seen.append(done)), plain)
    assert seen == [(number, len(seen)) for number in range(1, len(seen) + 1)]


def test_memory_that_runs_out_ahead_leaves_no_tile_of_before(monkeypatch):
    class Tiring(Upscaler):
        def forward(self, low):
            if len(self.sizes) == 5:
                self.sizes.append((0, 0))
                raise torch.OutOfMemoryError
            return super().forward(low)

    monkeypatch.setattr(tiling, "ahead", lambda device: 2)
    low = noise(3, 90, 80)
    upscaler = TiledUpscaler(Tiring(), tile=32)
    torch.testing.assert_close(upscaler(low), TiledUpscaler(Upscaler())(low), rtol=0, atol=1e-5)
    assert upscaler.tile == 16


def test_nothing_is_read_before_the_tiles_ahead_are_begun(monkeypatch):
    """Tensors of the device "meta" have no numbers to read."""
    monkeypatch.setattr(tiling, "ahead", lambda device: 3)
    network = Upscaler().to("meta")
    with pytest.raises((RuntimeError, NotImplementedError), match="[Mm]eta"):
        TiledUpscaler(network, tile=16)((noise(3, 70, 90) * 255).to(torch.uint8))
    assert len(network.sizes) == 4


def test_a_tile_is_as_large_as_memory_allows():
    assert largest_tile(TiledUpscaler(Upscaler())) == TILE == 256
    needed = 1000 * (512 + 2 * 64) ** 2 / 0.7
    assert tile_that_fits(1000, int(needed * 1.01), 64) == 512
    assert tile_that_fits(1000, int(needed * 0.99), 64) == 256
    assert tile_that_fits(1000, 10**15, 64) == 1024 and tile_that_fits(1000, 0, 64) == 16


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of five pictures, whose results are written in threads."""
    monkeypatch.setattr(batch, "device_of", lambda network: torch.device("cuda"))
    monkeypatch.setattr(writing_behind, "THREADS", 3)
    (tmp_path / "in").mkdir()
    for name in "abcde":
        saved(tmp_path / "in" / f"{name}.png", photo(8, 8))
    return tmp_path / "in"


def lines(capsys) -> list[str]:
    return [line.partition(" ")[0] for line in capsys.readouterr().out.splitlines() if " -> " in line]


def test_results_are_written_in_threads_and_said_in_order(net, folder, monkeypatch, capsys):  # noqa: F811
    others_begun, in_threads, write = threading.Event(), [], writing.write

    def slow_first(path, *arguments, **settings):
        in_threads.append(threading.current_thread() is not threading.main_thread())
        if path.name == "a.png":
            assert others_begun.wait(20)  # b is written while a is
        else:
            others_begun.set()
        write(path, *arguments, **settings)

    monkeypatch.setattr(writing, "write", slow_first)
    upscale("input=in", f"weights={net}")
    assert lines(capsys) == [f"in/{name}.png" for name in "abcde"] and all(in_threads)
    assert {Image.open(path).size for path in (folder.parent / "in_x4").iterdir()} == {(32, 32)}


def test_failures_keep_their_sentences_and_their_order(net, folder, monkeypatch, capsys):  # noqa: F811
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:60])
    write = writing.write

    def refusing(path, *arguments, **settings):
        if path.name == "d.png":
            raise PermissionError(13, "Permission denied")
        write(path, *arguments, **settings)

    monkeypatch.setattr(writing, "write", refusing)
    with pytest.raises(EndOfRun, match="2 of 5 images could not be upscaled: in/b.png, in/d.png"):
        upscale("input=in", f"weights={net}")
    said = capsys.readouterr().err
    assert said.index("b.png was left out") < said.index("d.png was left out: its result")
    assert only(folder.parent / "in_x4") == {"a.png", "c.png", "e.png"}


def test_a_full_disk_ends_it_with_the_number_of_those_done(net, folder, monkeypatch):  # noqa: F811
    write = writing.write

    def full(path, *arguments, **settings):
        if path.name == "c.png":
            raise DiskFull("no room")
        write(path, *arguments, **settings)

    monkeypatch.setattr(writing, "write", full)
    with pytest.raises(DiskFull, match=r"no room: (\d) of 5 done") as end:
        upscale("input=in", f"weights={net}")
    assert f"{len(only(folder.parent / 'in_x4'))} of 5" in str(end.value)


def test_a_signal_waits_for_what_is_being_written_and_counts_it(net, folder, monkeypatch):  # noqa: F811
    read = batch.read_picture

    def stopping(path, *arguments):
        if path.name == "d.png":
            raise KeyboardInterrupt
        return read(path, *arguments)

    monkeypatch.setattr(batch, "read_picture", stopping)
    with pytest.raises(Stopped) as end:
        upscale("input=in", f"weights={net}")
    assert f"{len(only(folder.parent / 'in_x4'))} of 5 done" in str(end.value)
