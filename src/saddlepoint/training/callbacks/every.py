"""When a callback acts, in images seen: a pure function of the clock, so a resumed run acts at the same moments."""

from collections.abc import Sequence


class Every:
    """Every `every_images` images (null: never) and at each of `at`."""

    def __init__(self, every_images: int | None, at: Sequence[int] = ()):
        self.every_images, self.at = every_images, tuple(at)

    def due(self, before: int, after: int) -> bool:
        """Did a moment pass while the clock went from `before` to `after`?"""
        passed = any(before < moment <= after for moment in self.at)
        return passed or bool(self.every_images) and before // self.every_images < after // self.every_images
