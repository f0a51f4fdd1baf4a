"""Which validation images are measured, under which names, and in how much memory."""

import os

import numpy
import pytest
import torch
from PIL import Image
from skimage.data import coffee

from saddlepoint.networks.srvgg import SRVGGNetCompact
from saddlepoint.training.callbacks.upscaling_quality import UpscalingQuality, centre, to_bytes
from saddlepoint.upscaling.tiling import TILE
from tests.data.pair_data import pair_folder, write_noise
from tests.networks.reach import with_large_weights
from tests.training.callbacks.test_upscaling_quality import Trainer


def test_a_large_image_goes_in_tiles_with_the_numbers_of_the_whole(tmp_path, monkeypatch):
    photograph = numpy.asarray(Image.fromarray(coffee()).resize((1400, 240)))
    (tmp_path / "photos").mkdir()
    Image.fromarray(photograph).save(tmp_path / "photos" / "large.png")
    write_noise(tmp_path / "train")
    data = pair_folder(tmp_path / "train", validation_root=str(tmp_path / "photos"))
    callback = UpscalingQuality(data, None, [], most_images=10, pictures=1, picture_size=50)
    callback.bicubic = {}
    network, seen = with_large_weights(SRVGGNetCompact(width=4, num_convolutions=4)), []
    assert network.receptive_field < 64
    network.register_forward_pre_hook(lambda module, arguments: seen.append(max(arguments[0].shape[2:])))
    values, [shown] = callback.measure_generator(network)
    assert len(seen) > 1 and max(seen) <= TILE + 2 * network.receptive_field < 400
    pair = callback.pairs[0]
    with torch.inference_mode():
        whole = to_bytes(network(pair.low[None].float() / 255))[0]
    assert values == pytest.approx(callback.measures(whole, pair.high, 4), rel=1e-6)
    assert (shown.int() - centre(whole, 50).int()).abs().max() <= 1


def test_how_many_of_how_many_are_measured_is_said_with_the_setting_for_all(tmp_path, capsys):
    write_noise(tmp_path / "photos", tuple("abcdef"), 64, 48)
    (tmp_path / "photos" / "a.png").write_text("no picture")
    data = pair_folder(tmp_path / "photos", validation_root=str(tmp_path / "photos"))
    callback = UpscalingQuality(data, None, [], most_images=3, pictures=0, picture_size=50)
    assert [pair.name for pair in callback.pairs] == ["b", "c", "d"]
    assert ("measured of 3 of 6 validation images: type callbacks.upscaling_quality.most_images=6 to measure all"
            in capsys.readouterr().err)
    UpscalingQuality(data, None, [], most_images=6, pictures=0, picture_size=50)
    assert "to measure all" not in capsys.readouterr().err


def test_images_of_one_name_get_pictures_and_curves_of_their_own(tmp_path):
    root, long = tmp_path / "photos", "n" * 250
    for names in (("x", "b"), ("x", "X", "c", long)):
        write_noise(root / str(len(names)), names, 64, 48)
    (root / "2" / "b.png").rename(root / "2" / os.fsdecode(b"b\xff.png"))
    data = pair_folder(tmp_path / "photos", validation_root=str(root))
    callback = UpscalingQuality(data, None, [], most_images=10, pictures=10, picture_size=50)
    assert [pair.name for pair in callback.pairs if "nn" not in pair.name] == ["b_", "2_x.png", "X", "c",
                                                                               "x_2"]
    callback.bicubic_shown = shown = [pair.high for pair in callback.pairs]
    callback.acted_at = 7
    callback.draw(Trainer(tmp_path), shown)
    assert len(list((tmp_path / "samples").iterdir())) == 6


def test_unlike_pairs_are_warned_of(tmp_path, capsys):
    write_noise(tmp_path / "high", tuple("abcd"), 64, 48)
    write_noise(tmp_path / "low", tuple("dcba"), 16, 12)
    data = pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"), train_fraction=0.5)
    UpscalingQuality(data, None, [], most_images=10, pictures=0, picture_size=50)
    assert "warning: 2 of 2 pairs that were looked at do not show the same" in capsys.readouterr().err
