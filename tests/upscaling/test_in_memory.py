"""Generate, then upscale: images in memory, and sample.py upscale=."""

import pytest
import torch
from PIL import Image

from saddlepoint.errors import RequestError
from saddlepoint.sampling import pictures
from saddlepoint.upscaling.in_memory import ImageUpscaler
from tests.painting import Studio, painting_generator
from tests.upscaling.weight_files import small_rrdbnet, write_pth


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_goes_through_the_network_and_keeps_its_channels(channels, tmp_path):
    network = small_rrdbnet(2)
    images = torch.randint(0, 256, (3, channels, 7, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    high = ImageUpscaler(str(write_pth(tmp_path / "net.pth", network)))(images)
    assert high.shape == (3, channels, 14, 16) and high.dtype == torch.uint8
    padded = torch.cat([images, images[:, :, -1:]], 2).expand(-1, 3, -1, -1)  # to a multiple of 2
    with torch.no_grad():
        whole = network(padded / 255)[:, :, :14].mul(255).clamp(0, 255)
    expected = whole.mean(1, keepdim=True) if channels == 1 else whole
    assert (high - expected).abs().max() <= 0.51


def test_sample_upscales_what_it_draws_and_grey_stays_grey(tmp_path, monkeypatch, capsys):
    net = write_pth(tmp_path / "net.pth", small_rrdbnet())
    studio = Studio(tmp_path, monkeypatch)
    studio.draw(painting_generator(0), "count=6", "columns=3", f"upscale={net}", "files=true")
    [path] = (tmp_path / "drawn").glob("last_seed0_count6_net_*_columns3.png")
    grid = Image.open(path)
    assert grid.mode == "L" and grid.size == (3 * 8 + 2 * pictures.GAP, 2 * 8 + pictures.GAP)
    single = Image.open(path.with_suffix("") / "000000.png")
    assert (single.mode, single.size) == ("L", (8, 8))
    assert f"6 images, upscaled by net (from {net}): " in capsys.readouterr().out


def test_weights_that_are_not_there_are_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    studio, generator = Studio(tmp_path, monkeypatch), painting_generator(0)
    monkeypatch.setattr(type(generator), "sample", None)
    with pytest.raises(RequestError, match="weights=nowhere.pth is neither"):
        studio.draw(generator, "upscale=nowhere.pth")
    assert not (tmp_path / "drawn").exists()
