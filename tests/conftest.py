"""One thread for every test: results do not depend on the machine, and two test runs do not fight over its cores. Nor
does what hypothesis thinks of an example that took long."""

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch, cache):
    """Relative paths of the settings (runs/, data/) must never meet the checkout, nor what is remembered the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SADDLEPOINT_CACHE", str(cache))
