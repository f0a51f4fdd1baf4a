"""What Lightning does anew for each of hundreds of trainers and need not: it looks through all installed packages for
callbacks, which takes a tenth of the time of a short training."""

from functools import cache

import pytest
from lightning_fabric.utilities import registry


def look_for_callbacks_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(registry, "entry_points", cache(registry.entry_points))
