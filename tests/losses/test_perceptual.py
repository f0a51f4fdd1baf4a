"""Networks that perceptual losses look through: against torchvision's, on weights of our own making."""

import functools
import hashlib
import http.server
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import vgg19

from saddlepoint.errors import RequestError
from saddlepoint.losses import perceptual
from saddlepoint.losses.content import PerceptualLoss
from saddlepoint.losses.perceptual import FILE, RandomFeatures, VGG19Features, vgg_layers

LAYERS = {"conv1_2": 1.0, "conv2_1": 1.0, "conv3_2": 0.5}
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def features(network: nn.Module, images: torch.Tensor = IMAGES) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return network(images)


# Random convolutions.


def test_random_features_are_a_function_of_the_seed():
    torch.manual_seed(1)
    one = features(RandomFeatures(LAYERS, seed=3, width=4))
    torch.manual_seed(2)
    again, other = (features(RandomFeatures(LAYERS, seed=seed, width=4)) for seed in (3, 4))
    assert all(torch.equal(one[layer], again[layer]) and not torch.equal(one[layer], other[layer]) for layer in LAYERS)


def test_random_features_have_three_scales_and_live_signals():
    maps_of = features(RandomFeatures(LAYERS, width=4))
    assert {name: tuple(maps.shape[1:]) for name, maps in maps_of.items()} == {
        "conv1_2": (4, 16, 16), "conv2_1": (8, 16, 16), "conv3_2": (16, 4, 4)}
    assert all(maps.std() > 0.05 for maps in maps_of.values())
    assert RandomFeatures(LAYERS, seed=3).name == "random (seed 3)"


def test_they_are_constants_that_move_with_the_module_and_are_in_no_checkpoint():
    network = RandomFeatures(LAYERS, width=4)
    assert list(network.parameters()) == [] and network.state_dict() == {}
    assert {buffer.dtype for buffer in network.double().buffers()} == {torch.float64}
    images = IMAGES.double().requires_grad_()
    PerceptualLoss(network)(images, 1 - IMAGES.double()).backward()
    assert images.grad.abs().sum() > 0


def test_grey_images_look_as_their_rgb_of_three_equal_channels():
    network, grey = RandomFeatures(LAYERS, width=4), IMAGES[:, :1]
    colour = features(network, grey.repeat(1, 3, 1, 1))
    assert all(torch.equal(maps, colour[layer]) for layer, maps in features(network, grey).items())


@pytest.mark.parametrize(("layers", "sentence"), [
    ({"conv9_1": 1.0}, "perceptual.layers names conv9_1, which is not a layer of random .seed 0.: they are conv1_1, "),
    ({}, "perceptual.layers={} must name at least one of conv1_1"),
])
def test_layers_that_do_not_exist_are_refused(layers, sentence):
    with pytest.raises(ValueError, match=sentence):
        RandomFeatures(layers)


# VGG19, with random weights in a file whose digest stands for the real one.


class SmallVGG(nn.Module):
    """torchvision's VGG19 without its classifier of 124 million weights, which nothing here looks at"""

    def __init__(self):
        super().__init__()
        self.features = vgg19_features()


@functools.cache
def of_torchvision() -> nn.Module:
    torch.manual_seed(0)
    network = SmallVGG()
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return network.eval()


def vgg19_features() -> nn.Sequential:
    with torch.device("meta"):
        layers = vgg19().features
    return layers.to_empty(device="cpu")


@pytest.fixture
def vgg_file(tmp_path, monkeypatch):
    """A file of weights, elsewhere than where they are looked for"""
    path = tmp_path / "served" / FILE
    path.parent.mkdir()
    torch.save(of_torchvision().state_dict(), path)
    monkeypatch.setattr(perceptual, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    monkeypatch.setattr(perceptual, "vgg19", SmallVGG)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch_home"))
    monkeypatch.setenv("SADDLEPOINT_CACHE", str(tmp_path / "cache"))
    return path


def test_features_are_torchvisions_before_and_after_the_activation(vgg_file):
    normalised = (IMAGES - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]).view(3, 1, 1)
    layers = of_torchvision().features
    names = ("conv1_2", "conv3_4", "conv5_4", "relu5_4")
    maps_of = features(VGG19Features(dict.fromkeys(names, 1.0), str(vgg_file)))
    with torch.no_grad():
        before = layers[:35](normalised)
        expected = {"conv1_2": layers[:3](normalised), "conv3_4": layers[:17](normalised), "conv5_4": before,
                    "relu5_4": functional.relu(before)}
    assert list(maps_of) == list(names)
    for layer, maps in maps_of.items():
        torch.testing.assert_close(maps, expected[layer])
    assert maps_of["conv5_4"].min() < 0 == maps_of["relu5_4"].min()


def test_every_layer_of_vgg19_has_a_name_that_says_where_it_is():
    """convB_N is the N-th convolution after the (B - 1)-th pooling, reluB_N the activation behind it."""
    layers, block, number = vgg19_features(), 1, 0
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.MaxPool2d):
            block, number = block + 1, 0
        elif isinstance(layer, nn.Conv2d):
            number += 1
            assert vgg_layers()[f"conv{block}_{number}"] == index
        else:
            assert vgg_layers()[f"relu{block}_{number}"] == index
    assert len(vgg_layers()) == 32


def test_the_loss_through_vgg_weighs_layers(vgg_file):
    network = VGG19Features({"conv1_2": 0.1, "conv2_2": 2.0}, str(vgg_file))
    other = IMAGES.flip(0)
    one, two = (features(network, images) for images in (IMAGES, other))
    expected = 0.1 * functional.l1_loss(one["conv1_2"], two["conv1_2"]) + 2 * functional.l1_loss(
        one["conv2_2"], two["conv2_2"])
    torch.testing.assert_close(PerceptualLoss(network)(IMAGES, other), expected)
    assert network.name == "vgg19" and network.state_dict() == {}


def test_a_file_that_is_named_but_not_there_or_another_is_refused(vgg_file, tmp_path):
    with pytest.raises(RequestError, match="perceptual.weights=nowhere.pth cannot be read: No such file"):
        VGG19Features(LAYERS, "nowhere.pth")
    damaged = tmp_path / "damaged.pth"
    damaged.write_bytes(vgg_file.read_bytes()[:-1])
    with pytest.raises(RequestError, match="damaged.pth is not torchvision's .* type perceptual=random"):
        VGG19Features(LAYERS, str(damaged))


@pytest.mark.parametrize("place", ["torch_home/hub/checkpoints", "cache/weights"])
def test_a_file_in_a_cache_is_found_and_verified(place, vgg_file, tmp_path, monkeypatch):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / FILE).write_bytes(vgg_file.read_bytes())
    monkeypatch.setattr(perceptual, "ADDRESS", "http://127.0.0.1:1/nobody")
    assert features(VGG19Features({"conv1_1": 1.0}))["conv1_1"].shape == (2, 64, 32, 32)
    (tmp_path / place / FILE).write_bytes(b"half of it")
    with pytest.raises(RequestError, match=f"{FILE} is not torchvision's"):
        VGG19Features({"conv1_1": 1.0})


def test_offline_one_sentence_says_what_to_do(vgg_file, tmp_path, monkeypatch):
    monkeypatch.setattr(perceptual, "ADDRESS", "http://127.0.0.1:1/nobody")
    with pytest.raises(RequestError, match=f"perceptual=vgg19 needs {FILE}, which could not be downloaded") as refusal:
        VGG19Features(LAYERS)
    for advice in (str(tmp_path / "cache" / "weights"), "perceptual.weights=FILE", "perceptual=random"):
        assert advice in str(refusal.value)
    assert list((tmp_path / "cache" / "weights").iterdir()) == []


@pytest.fixture
def server(vgg_file, monkeypatch):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_): ...

    handler = functools.partial(Quiet, directory=str(vgg_file.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(perceptual, "ADDRESS", f"http://127.0.0.1:{server.server_address[1]}/{FILE}")
        yield vgg_file
        server.shutdown()


def test_it_is_downloaded_once_and_verified(server, tmp_path, capsys):
    ours = tmp_path / "cache" / "weights" / FILE
    VGG19Features({"conv1_1": 1.0})
    assert ours.read_bytes() == server.read_bytes() and "575 MB" in capsys.readouterr().err
    server.unlink()
    VGG19Features({"conv1_1": 1.0})
    assert capsys.readouterr().err == ""


def test_what_did_not_arrive_whole_is_not_kept(server, tmp_path):
    server.write_bytes(server.read_bytes()[:5000])
    with pytest.raises(RequestError, match="did not arrive whole"):
        VGG19Features({"conv1_1": 1.0})
    assert list((tmp_path / "cache" / "weights").iterdir()) == []
