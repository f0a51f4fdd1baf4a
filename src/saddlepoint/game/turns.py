"""The turns of the game: when D moves, when G moves, and on how many images."""

from typing import Annotated

from saddlepoint.config.rules import Count, WholeNumber, one_of

SCORINGS = ("separate", "together", "half")


class Turns:
    """The order of updates: in a round, `discriminator_steps` batches with one update of D each, then those of G.

    discriminator_steps: updates of D in a round, 1 or more
    generator_steps: updates of G in a round, 1 or more
    generator_batch_multiple: fakes in an update of G, as a multiple of the batch, 1 or more
    fake_batch_multiple: fakes in an update of D, as a multiple of its reals, 1 or more
    scoring: `separate`: D scores reals and fakes as two batches; `together`: as one batch, so that they share
        BatchNorm's statistics; `half`: D makes two updates, one on N/2 reals and one on N/2 fakes, for a batch of N
    fakes_in_eval: makes the fakes of D's updates with G in evaluation mode
    generator_warmup_images: real images during which G alone is trained, on its content terms (super-resolution)
    discriminator_warmup_images: real images during which D alone is trained, against a G that does not change
    """

    def __init__(self, discriminator_steps: Count = 1, generator_steps: Count = 1, generator_batch_multiple: Count = 1,
                 fake_batch_multiple: Count = 1, scoring: Annotated[str, one_of(*SCORINGS)] = "separate",
                 fakes_in_eval: bool = False, generator_warmup_images: WholeNumber = 0,
                 discriminator_warmup_images: WholeNumber = 0):
        if scoring not in SCORINGS:
            raise ValueError(f"model.turns.scoring={scoring} must be one of {', '.join(SCORINGS)}")
        if generator_warmup_images and discriminator_warmup_images:
            raise ValueError("model.turns.generator_warmup_images and discriminator_warmup_images are both set: "
                             "nobody would move; set one of them to 0")
        self.discriminator_steps = discriminator_steps
        self.generator_steps = generator_steps
        self.generator_batch_multiple = generator_batch_multiple
        self.fake_batch_multiple = fake_batch_multiple
        self.scoring = scoring
        self.fakes_in_eval = fakes_in_eval
        self.generator_warmup_images = generator_warmup_images
        self.discriminator_warmup_images = discriminator_warmup_images

    def real_images(self, batch_size: int) -> int:
        """Returns how many reals D is shown in a step; the data module loads as many for a batch of `batch_size`."""
        return batch_size // 2 if self.scoring == "half" else batch_size

    def discriminator_fakes(self, num_real: int) -> int:
        return num_real * self.fake_batch_multiple

    def generator_fakes(self, num_real: int) -> int:
        whole_batch = 2 * num_real if self.scoring == "half" else num_real
        return whole_batch * self.generator_batch_multiple

    def discriminator_moves(self, images_seen: int) -> bool:
        return images_seen >= self.generator_warmup_images

    def generator_moves(self, images_seen: int, discriminator_steps_taken: int) -> int:
        """Returns how many updates G makes after this batch."""
        if images_seen < self.discriminator_warmup_images:
            return 0
        round_is_over = discriminator_steps_taken % self.discriminator_steps == 0
        return self.generator_steps if round_is_over else 0
