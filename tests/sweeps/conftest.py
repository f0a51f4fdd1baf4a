"""Sweeps that look at their jobs more often than is cheap."""

import pytest

from saddlepoint.sweeps import runner


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(runner, "READ_SECONDS", 0.05)
