"""Decides when a callback acts, by the number of images seen alone, so that a resumed run acts at the same moments."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saddlepoint.game.adversarial import AdversarialModule

AUTO = "auto"


class Every:
    """The moments of a callback, in images seen: every `every_images` images (None: never) and each number in `at`.

    `auto` becomes a number before the first step (pace.py), which a checkpoint keeps.
    """

    def __init__(self, every_images: int | str | None, at: Sequence[int] = ()):
        self.every_images, self.at = every_images, tuple(at)
        self.is_paced = every_images == AUTO

    def state_dict(self) -> dict[str, int]:
        """Returns what a checkpoint keeps: the number that was found for `auto`."""
        return {"every_images": self.every_images} if self.is_paced and self.every_images != AUTO else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes the number of the run that goes on, unless another one was typed."""
        if self.is_paced:
            self.every_images = state.get("every_images", AUTO)

    def due(self, module: AdversarialModule) -> bool:
        """Returns whether there is a moment in the newest step. If so, all steps so far are known to be finite."""
        is_due = self.is_between(module.images_before, module.images_seen)
        if is_due:
            module.settle()
        return is_due

    def next_due(self, images_seen: int) -> float:
        """Returns the first moment after `images_seen`; infinity if there is none."""
        coming = [moment for moment in self.at if moment > images_seen]
        if self.every_images:
            coming.append((images_seen // self.every_images + 1) * self.every_images)
        return min(coming, default=math.inf)

    def is_between(self, before: int, after: int) -> bool:
        """Returns whether there is a moment after `before` and up to `after` images seen."""
        is_listed = any(before < moment <= after for moment in self.at)
        return is_listed or bool(self.every_images) and before // self.every_images < after // self.every_images
