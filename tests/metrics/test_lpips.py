import hashlib
import io

import pytest
import torch
import torchvision
from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity

from saddlepoint.errors import RequestError
from saddlepoint.metrics import lpips

FILE_NAME = "alexnet-owt-7be5be79.pth"


@pytest.fixture(scope="module")
def random_weights() -> bytes:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.alexnet()
    layers = {name: values for name, values in network.state_dict().items() if name.startswith("features")}
    head = {name: torch.zeros(()).expand(values.shape) for name, values in network.state_dict().items()
            if name not in layers}  # 200 MB of the file otherwise, none of which LPIPS reads
    content = io.BytesIO()
    torch.save(layers | head, content)
    return content.getvalue()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def distance(hub, random_weights, monkeypatch) -> lpips.Lpips:
    (hub / FILE_NAME).write_bytes(random_weights)
    digest = hashlib.sha256(random_weights).hexdigest()
    monkeypatch.setitem(lpips.BACKBONES, "alex", lpips.BACKBONES["alex"]._replace(digest=digest))
    return lpips.Lpips()


def images(seed: int, channels: int = 3, side: int = 40) -> torch.Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(seed))


def test_it_is_what_torchmetrics_computes_for_each_image_when_it_loads_the_same_file(distance):
    expected = learned_perceptual_image_patch_similarity(images(1), images(2), reduction="none", normalize=True)
    torch.testing.assert_close(distance(images(1), images(2)), expected)
    assert expected.min() > 0


def test_an_image_is_at_no_distance_from_itself(distance):
    assert distance(images(1), images(1)).tolist() == [0, 0]


def test_training_mode_changes_nothing(distance):
    expected = distance(images(1), images(2))
    torch.testing.assert_close(distance.train()(images(1), images(2)), expected)


def test_grey_is_measured_as_its_three_equal_channels(distance):
    grey, other = images(1, channels=1), images(2, channels=1)
    torch.testing.assert_close(distance(grey, other), distance(grey.repeat(1, 3, 1, 1), other.repeat(1, 3, 1, 1)))


def test_the_global_generator_is_left_alone(distance):
    before = torch.random.get_rng_state()
    lpips.Lpips()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_31_pixels_are_enough_and_30_are_refused(distance):
    assert distance(images(1, side=31), images(2, side=31)).shape == (2,)
    with pytest.raises(RequestError, match="at least 31 x 31 pixels, and was given 30 x 30"):
        distance(images(1, side=30), images(2, side=30))


def test_images_of_two_sizes_are_refused(distance):
    with pytest.raises(RequestError, match="40 x 40 and 41 x 41"):
        distance(images(1), images(2, side=41))


@pytest.mark.parametrize("backbone", lpips.BACKBONES)
def test_without_weights_one_sentence_names_file_digest_and_folder(hub, backbone):
    sentence = lpips.missing(backbone)
    for needed in (lpips.BACKBONES[backbone].file_name, lpips.BACKBONES[backbone].digest, str(hub)):
        assert needed in sentence
    with pytest.raises(RequestError) as refusal:
        lpips.Lpips(backbone)
    assert str(refusal.value) == sentence
    assert list(hub.iterdir()) == []  # nothing was downloaded


def test_the_digests_are_those_in_torchvisions_file_names():
    names = {backbone: lpips.BACKBONES[backbone].file_name for backbone in ("alex", "vgg")}
    assert names == {"alex": f"alexnet-owt-{lpips.BACKBONES['alex'].digest}.pth",
                     "vgg": f"vgg16-{lpips.BACKBONES['vgg'].digest}.pth"}


def test_a_file_that_is_there_lacks_nothing_and_a_damaged_one_is_refused(hub):
    (hub / FILE_NAME).write_bytes(b"cut short")
    assert lpips.missing() is None
    with pytest.raises(RequestError, match="does not begin with 7be5be79"):
        lpips.Lpips()
