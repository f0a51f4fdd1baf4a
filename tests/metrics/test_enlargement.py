"""What is measured of enlarged images: which numbers there are, what cannot be had, and means."""

import math

import pytest
import torch
from skimage.data import astronaut

from saddlepoint.errors import RequestError
from saddlepoint.metrics import image_quality
from saddlepoint.metrics.enlargement import Enlargement
from saddlepoint.metrics.niqe import niqe

PHOTO = torch.from_numpy(astronaut()[:224, :224].copy()).permute(2, 0, 1)
DARKER = PHOTO - (PHOTO > 9) * torch.tensor(9, dtype=torch.uint8)


def test_psnr_and_ssim_are_always_there_and_niqe_where_it_is_asked_for():
    assert Enlargement()(DARKER, PHOTO, 4) == image_quality.measure(DARKER, PHOTO, 4)._asdict()
    values = Enlargement(["niqe"])(DARKER, PHOTO, 4)
    assert values["niqe"] == niqe(DARKER, 4) != niqe(PHOTO, 4)


def test_means_are_over_images():
    pairs = [(DARKER, PHOTO), (PHOTO, PHOTO)]
    values = Enlargement().means(*zip(*pairs, strict=True), scale=4)
    assert values["ssim_y"] == pytest.approx((image_quality.measure(DARKER, PHOTO, 4).ssim_y + 1) / 2)
    assert values["psnr_y"] == math.inf


def test_a_made_image_without_a_niqe_costs_niqe_its_value_and_training_nothing():
    """A generator that has learned nothing may make a single colour."""
    flat = torch.full_like(PHOTO, 128)
    values = Enlargement(["niqe"]).means([flat, DARKER], [PHOTO, PHOTO], scale=4)
    assert math.isnan(values["niqe"])
    one, other = (image_quality.measure(made, PHOTO, 4).psnr_rgb for made in (flat, DARKER))
    assert values["psnr_rgb"] == pytest.approx((one + other) / 2)


def test_what_cannot_be_had_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RequestError, match=r"more=\[lpips\] cannot be measured: .*alexnet-owt-7be5be79.pth"):
        Enlargement(["lpips"])
    with pytest.raises(ValueError, match="more=psnr must be of niqe, lpips"):
        Enlargement(["psnr"])
