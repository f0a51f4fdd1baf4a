"""One thread for every test: results do not depend on the machine, and two test runs do not fight over its cores. Nor
does what hypothesis thinks of an example that took long, nor do random numbers depend on which tests came before.

What takes long to import is imported where it is used: the first of several processes reads this file before it starts
the others, and runs no test itself."""

import gc
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Called in processes that run tests, before they import any. What they import stays, so nothing is gained by
    looking through it for garbage, neither now nor in each collection that comes later, of which there are fewer."""
    import torch
    torch.set_num_threads(1)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """What is remembered must never meet the user's, nor what fixtures remember that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SADDLEPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Path(os.environ["SADDLEPOINT_CACHE"])


@pytest.fixture(scope="session", autouse=True)
def files_are_read_once():
    from tests.digits import read_digits_once
    from tests.hydra_once import compose_once
    from tests.lightning_once import look_around_once
    with pytest.MonkeyPatch.context() as patch:
        compose_once(patch)
        read_digits_once(patch)
        look_around_once(patch)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef, request: pytest.FixtureRequest) -> Iterator[object]:
    """Called before a fixture is made: which test makes one that several share depends on the number of processes."""
    if fixturedef.scope != "function":
        begin_random_numbers(f"{fixturedef.baseid} {fixturedef.argname}")
    return (yield)


@pytest.fixture(autouse=True)
def chance(request):
    begin_random_numbers(request.node.nodeid)


def begin_random_numbers(name: str) -> None:
    """Lets all random numbers follow from a name, so that a test has its own, whichever ran before in its process."""
    import numpy as np
    import torch
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    """Relative paths of the settings (runs/, data/) must never meet the checkout."""
    monkeypatch.chdir(tmp_path)
