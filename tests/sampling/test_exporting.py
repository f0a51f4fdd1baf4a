"""Exported networks compute what the run does, at batches that were not traced, and nothing else is written."""

import json
import math

import pytest
import torch
from torch import nn

from saddlepoint.errors import RequestError
from saddlepoint.networks.biggan import BigGANGenerator
from saddlepoint.networks.encoders import DCGANEncoder, MLPEncoder
from saddlepoint.networks.infogan import InfoGANGenerator
from saddlepoint.networks.lapgan import LaplacianGenerator
from saddlepoint.networks.points import DiracGenerator, PointGenerator
from saddlepoint.networks.resnet_translator import ResNetTranslator
from saddlepoint.networks.rrdb import RRDBNet
from saddlepoint.networks.srresnet import SRResNet
from saddlepoint.networks.unet import UNet
from saddlepoint.networks.voxels import VoxelGenerator
from saddlepoint.sampling import exporting
from saddlepoint.sampling.exporting import of_generator, of_images, of_upscaler
from tests.in_conf import classes
from tests.networks.every_network import GENERATORS, OWN_GENERATORS

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def draw(seed: int, first: int, count: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(first + count))


class Longer(nn.Module):
    """A generator of more latents, or fewer, that is given five: they are repeated."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.latent_dim = network, network.latent_dim
        if hasattr(network, "num_classes"):
            self.num_classes = network.num_classes

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.network(latents.repeat(1, -(-self.latent_dim // 5))[:, :self.latent_dim], labels)


SIDE = (3, 16, 16)
DRAW = {name: lambda make=make: of_generator(make(), draw, {}) for name, make in (GENERATORS | OWN_GENERATORS).items()
        if name != "acgan"} | {  # whose generator is that of projection
    "not square": lambda: of_generator(GENERATORS["dcgan"](size=[16, 24]), draw, {}),
    "infogan": lambda: of_generator(InfoGANGenerator(5, 1, 28, width=2, hidden=4), draw, {}),
    "biggan": lambda: of_generator(Longer(BigGANGenerator(8, 1, 32, 6, width=2, embedding_size=4)), draw, {}),
    "lapgan": lambda: of_generator(Longer(LaplacianGenerator(80, 1, 8, 2, coarse_widths=[4], width=2)), draw, {}),
    "gan3d": lambda: of_generator(VoxelGenerator(5, 16, width=2), draw, {}, "voxels"),
    "points": lambda: of_generator(PointGenerator(5, 2, widths=[4], normalization="batch"), draw, {}, "points"),
    "dirac": lambda: of_generator(DiracGenerator(5), draw, {}, "points")}
READ_IMAGES = {
    "encoder": lambda: of_images(DCGANEncoder(5, *SIDE[:2], width=2, stochastic=True), "images", SIDE, "latents", {}),
    "mlp encoder": lambda: of_images(MLPEncoder(5, *SIDE[:2], widths=[4]), "images", SIDE, "latents", {}),
    "pix2pix": lambda: of_images(UNet(3, 3, 16, width=2), "images", SIDE, "images", {}),
    "cyclegan": lambda: of_images(ResNetTranslator(3, 3, width=2, num_blocks=1), "images", SIDE, "images", {}),
}
ENLARGE = {
    "esrgan": lambda: of_upscaler(RRDBNet(width=2, growth=2, num_blocks=1, scale=2)),  # of sides that are even
    "srgan": lambda: of_upscaler(SRResNet(width=2, num_blocks=1)),
}
KINDS = {"draw": DRAW, "read images": READ_IMAGES, "enlarge": ENLARGE}


class Together(nn.Module):
    """Several networks as one, since the exporter takes a second however small a network is. Gives all their numbers,
    [N, ...]."""

    def __init__(self, each: list[exporting.Exportable]):
        super().__init__()
        self.networks = nn.ModuleList(what.network for what in each)
        self.takes = [len(what.free) for what in each]

    def forward(self, values: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        calls = zip(self.networks, self.takes, strict=True)
        return torch.cat([network(*(values, labels)[:count]).flatten(1) for network, count in calls], 1)


def together(makes: dict) -> exporting.Exportable:
    each = [ready(make) for make in makes.values()]
    widest = max(each, key=lambda what: len(what.free))
    return widest._replace(network=Together(each).eval(), output="numbers")


def ready(make) -> exporting.Exportable:
    torch.manual_seed(0)
    what = make()
    for layer in what.network.modules():  # statistics as training leaves them, which tell layers apart
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(), layer.running_var.uniform_(0.5, 2)
    what.network.eval().requires_grad_(False)
    return what


@pytest.mark.parametrize("kind", KINDS)
def test_every_network_traced_computes_what_it_did(kind, tmp_path):
    what = together(KINDS[kind])
    exporting.write_pt2(what, tmp_path / "it.pt2")
    program = torch.export.load(tmp_path / "it.pt2").module()
    for inputs in map(what.inputs, (1, 3, 5)):
        torch.testing.assert_close(program(*inputs.values()), what.network(*inputs.values()))


@pytest.mark.parametrize("networks", [
    pytest.param({name: DRAW[name] for name in ("mlp", "acgan_dcgan")}, id="two that draw"),
    *(pytest.param(KINDS[kind], id=kind, marks=pytest.mark.slow) for kind in KINDS)])
def test_onnx_runtime_computes_what_the_networks_do(networks, tmp_path):
    """Translating a graph into ONNX takes ten times as long as tracing it. The facts are in the file."""
    what = together(networks)._replace(facts={"run": "mine", "image_range": [-1, 1]})
    assert exporting.write(what, tmp_path / "it.onnx", "onnx") < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "it.onnx", providers=["CPUExecutionProvider"])
    inputs = what.inputs(5)
    theirs, = session.run(None, {name: values.numpy() for name, values in inputs.items()})
    torch.testing.assert_close(torch.from_numpy(theirs), what.network(*inputs.values()), rtol=1e-3, atol=1e-4)
    shapes = {each.name: each.shape for each in session.get_inputs()}
    assert [*shapes] == [*inputs] and all(shape[0] == "N" for shape in shapes.values())
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["run"] == "mine" and json.loads(facts["image_range"]) == [-1, 1]


def test_every_generator_of_conf_is_among_them():
    exported = {type(part) for kind in KINDS.values() for make in kind.values() for part in make().network.modules()}
    named = {*classes("model", "generator").values(), *classes("model", "encoder").values(),
             *classes("model", "inverse_generator").values()}
    assert named <= exported


def test_pt2_is_loaded_without_the_run(tmp_path):
    what = ready(DRAW["cgan"])._replace(facts={"classes": ["cat", "dog"], "run": "mine"})
    assert exporting.write(what, tmp_path / "it.pt2", "pt2") == 0
    facts = {"facts.json": ""}
    program = torch.export.load(tmp_path / "it.pt2", extra_files=facts)
    assert json.loads(facts["facts.json"]) == {"classes": '["cat", "dog"]', "run": "mine"}
    inputs = what.inputs(5)
    assert torch.equal(program.module()(*inputs.values()), what.network(*inputs.values()))


@pytest.mark.parametrize("off", [0.01, math.nan])
def test_a_file_that_computes_something_else_is_not_written(off, tmp_path, monkeypatch):
    what = ready(DRAW["mlp"])
    monkeypatch.setitem(exporting.FORMATS, "onnx", (
        lambda what, path: path.write_bytes(b"it"), lambda path: lambda inputs: what.network(*inputs.values()) + off))
    (tmp_path / "it.onnx").write_text("before")
    with pytest.raises(RequestError, match="computes other values than the run.*nothing is written"):
        exporting.write(what, tmp_path / "it.onnx", "onnx")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("it.onnx", "before")]


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(RequestError, match=r"needs onnxruntime, which is not installed: type pip install 'saddlepoint"):
        exporting.refuse_missing_packages()
