"""One thread for every test: results do not depend on the machine, and two test runs do not fight over its cores."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    """Relative paths of the settings (runs/, data/) must never meet the checkout."""
    monkeypatch.chdir(tmp_path)
