"""Decides when a callback acts, by the number of images seen alone, so that a resumed run acts at the same moments."""

from collections.abc import Sequence


class Every:
    """The moments of a callback, in images seen: every `every_images` images (None: never) and each number in `at`."""

    def __init__(self, every_images: int | None, at: Sequence[int] = ()):
        self.every_images, self.at = every_images, tuple(at)

    def due(self, before: int, after: int) -> bool:
        """Returns whether there is a moment after `before` and up to `after` images seen."""
        is_listed = any(before < moment <= after for moment in self.at)
        return is_listed or bool(self.every_images) and before // self.every_images < after // self.every_images
