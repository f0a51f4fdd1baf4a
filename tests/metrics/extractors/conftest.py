"""Inception's weights cannot be had here; their layout can."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from saddlepoint.metrics.extractors import inception
from saddlepoint.metrics.extractors.inception import Inception

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
