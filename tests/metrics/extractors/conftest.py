"""Weights of published networks cannot be had here; their layouts can."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_clip import VisionTransformer
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from saddlepoint.metrics.extractors import clip, dinov2, inception
from saddlepoint.metrics.extractors.inception import Inception
from tests.metrics.extractors.reference_transformer import DEPTH, HEADS, WIDTH, random_weights

FEATURES = ["2048", "logits_unbiased"]


@pytest.fixture(scope="session")
def torch_fidelitys(tmp_path_factory) -> tuple[Path, FeatureExtractorInceptionV3]:
    """A file in the genuine layout, the values random, and torch-fidelity's own extractor with these weights"""
    path = tmp_path_factory.mktemp("inception") / inception.FILE.name
    torch.save({}, path)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, weights: None)
        network = FeatureExtractorInceptionV3("theirs", FEATURES, str(path))
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):  # so that what comes in still matters 94 layers later
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1, generator=generator)
    torch.save(network.state_dict(), path)
    return path, network


@pytest.fixture(scope="session")
def extractor(torch_fidelitys) -> Inception:
    path, _ = torch_fidelitys
    with pytest.MonkeyPatch.context() as patched:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        patched.setattr(inception, "FILE", replace(inception.FILE, sha256=digest))
        return Inception(str(path))


@pytest.fixture
def dinov2_file(tmp_path, monkeypatch) -> str:
    """For extractor=dinov2: the same class with two blocks of width 32 instead of 24 of width 1,024"""
    for size, width in (("large", WIDTH), ("base", WIDTH // 2)):
        small = dinov2.ARCHITECTURES[size]._replace(width=width, depth=DEPTH, heads=HEADS)
        monkeypatch.setitem(dinov2.ARCHITECTURES, size, small)
    torch.save(random_weights(), tmp_path / "dinov2.pth")
    return str(tmp_path / "dinov2.pth")


@pytest.fixture(scope="session")
def tower() -> VisionTransformer:
    """CLIP's image tower as torch-fidelity has it, of one block and one head; OpenAI's heads have 64 numbers"""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        tower = VisionTransformer(336, 14, 64, layers=1, heads=1, output_dim=768).eval().requires_grad_(False)
        for parameter in tower.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))  # biases are 0, norms 1
            parameter.copy_(parameter.half())  # as torch-fidelity rounds them
    return tower


@pytest.fixture
def clip_file(tower, tmp_path, monkeypatch) -> str:
    """For extractor=clip, in OpenAI's layout, with a part of what else is in their file"""
    monkeypatch.setattr(clip, "ARCHITECTURE", {"embed_dim": 64, "depth": 1, "num_heads": 1})
    weights = {f"visual.{name}": tensor for name, tensor in tower.state_dict().items()}
    torch.save(weights | {"text_projection": torch.zeros(5, 768), "logit_scale": torch.zeros(())}, tmp_path / "clip.pt")
    return str(tmp_path / "clip.pt")
