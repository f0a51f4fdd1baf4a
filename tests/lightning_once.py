"""What Lightning does anew for each of hundreds of trainers and need not: it looks through all installed packages for
callbacks, which takes a tenth of the time of a short training, and for the driver of GPUs."""

from functools import cache

import pytest
import torch
from lightning_fabric.utilities import registry


def look_around_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(registry, "entry_points", cache(registry.entry_points))
    patch.setattr(torch.cuda, "device_count", cache(torch.cuda.device_count))
