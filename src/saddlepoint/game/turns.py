"""The turns of the game: when D moves, when G moves, on how many images, and which of them D scores together."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import torch

from saddlepoint.config.rules import Count, WholeNumber, number, one_of, optional
from saddlepoint.game.step import Side, Step, each_part

ORDERS = ("alternating", "simultaneous")
IN_ONE_PASS = {"discriminator_steps": 1, "generator_steps": 1, "fakes_in_eval": False, "generator_warmup_images": 0,
               "discriminator_warmup_images": 0}  # what settings must be for both players to move at once


def score_apart(step: Step) -> tuple[Side, ...]:
    """Scores reals and fakes as two batches."""
    return score_reals(step) + score_fakes(step)


def score_together(step: Step) -> tuple[Side, ...]:
    """Scores reals and fakes as one batch, so that they share BatchNorm's statistics."""
    real, fake = step.prepare(step.real), step.prepare(step.fake)  # in turn: noise goes by place in a batch
    both = each_part(lambda *sides: torch.cat(sides), real, fake)
    logits = step.logits(both, torch.cat([step.real_labels, step.fake_labels]))
    real_logits, fake_logits = logits.split([len(step.real_labels), len(step.fake_labels)])
    return (Side("real", step.real, step.real_labels, real_logits),
            Side("fake", step.fake, step.fake_labels, fake_logits))


def score_reals(step: Step) -> tuple[Side, ...]:
    return (Side("real", step.real, step.real_labels, step.score(step.real, step.real_labels)),)


def score_fakes(step: Step) -> tuple[Side, ...]:
    return (Side("fake", step.fake, step.fake_labels, step.score(step.fake, step.fake_labels)),)


SCORINGS: dict[str, tuple[Callable[[Step], tuple[Side, ...]], ...]] = {  # how each update of D on a batch scores it
    "separate": (score_apart,), "together": (score_together,), "half": (score_reals, score_fakes),
}


def score_for_generator(step: Step) -> tuple[Side, ...]:
    """Scores the fakes, and the reals as well if G's loss needs them."""
    needs_reals = step.loss.needs_real_logits or step.reals_are_made
    return score_apart(step) if needs_reals else score_fakes(step)


class Plan(NamedTuple):
    """Who moves in a step."""

    discriminator: bool  # False while G warms up on the task's terms alone: the game is not played
    generator: int  # updates of G, after D's
    rests: bool = False  # True: D scores the batch, and its weights stay


class Turns:
    """The order of updates: in a round, `discriminator_steps` batches with one update of D each, then those of G
    (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1).

    discriminator_steps: updates of D in a round, 1 or more
    generator_steps: updates of G in a round, 1 or more
    generator_batch_multiple: fakes in an update of G, as a multiple of the batch, 1 or more
    fake_batch_multiple: fakes in an update of D, as a multiple of its reals, 1 or more
    scoring: `separate`: D scores reals and fakes as two batches; `together`: as one batch, so that they share
        BatchNorm's statistics; `half`: D makes two updates, one on N/2 reals and one on N/2 fakes, for a batch of N
    order: `alternating`: G plays against a D that has moved; `simultaneous`: both gradients are taken at the same
        weights, from one forward pass of the same fakes, and then both move (gradient descent-ascent)
    share_latents: makes the fakes of G's updates from the latents and labels of D's last update, not from new ones
    fakes_in_eval: makes the fakes of D's updates with G in evaluation mode
    generator_warmup_images: real images during which G alone is trained, on its content terms (super-resolution)
    discriminator_warmup_images: real images during which D alone is trained, against a G that does not change
    rest_above_accuracy: D scores a batch without moving if it was right more often than this, 0.5 to 1, in the batch
        before, all of its contests and processes together (3D-GAN, Wu et al. 2016, https://arxiv.org/abs/1610.07584,
        section 3.1: 0.8); None: it always moves. Each step waits for the device
    """

    def __init__(self, discriminator_steps: Count = 1, generator_steps: Count = 1, generator_batch_multiple: Count = 1,
                 fake_batch_multiple: Count = 1, scoring: Annotated[str, one_of(*SCORINGS)] = "separate",
                 order: Annotated[str, one_of(*ORDERS)] = "alternating", share_latents: bool = False,
                 fakes_in_eval: bool = False, generator_warmup_images: WholeNumber = 0,
                 discriminator_warmup_images: WholeNumber = 0,
                 rest_above_accuracy: Annotated[float | None, optional(number(0.5, 1))] = None):
        if scoring not in SCORINGS:
            raise ValueError(f"model.turns.scoring={scoring} must be one of {', '.join(SCORINGS)}")
        if order not in ORDERS:
            raise ValueError(f"model.turns.order={order} must be one of {', '.join(ORDERS)}")
        if generator_warmup_images and discriminator_warmup_images:
            raise ValueError("model.turns.generator_warmup_images and discriminator_warmup_images are both set: "
                             "nobody would move; set one of them to 0")
        self.discriminator_steps = discriminator_steps
        self.generator_steps = generator_steps
        self.generator_batch_multiple = generator_batch_multiple
        self.fake_batch_multiple = fake_batch_multiple
        self.scoring = scoring
        self.order = order
        self.share_latents = share_latents
        self.fakes_in_eval = fakes_in_eval
        self.generator_warmup_images = generator_warmup_images
        self.discriminator_warmup_images = discriminator_warmup_images
        self.rest_above_accuracy = rest_above_accuracy
        self._refuse_resting()
        self._refuse_what_cannot_be_shared()

    def _refuse_resting(self) -> None:
        """Raises a ValueError if D is to rest where it cannot."""
        rest = self.rest_above_accuracy
        if rest is None:
            return
        if not 0.5 <= rest <= 1:
            raise ValueError(f"model.turns.rest_above_accuracy={rest} must be a number from 0.5 to 1, e.g. 0.8, or "
                             "null")
        if self.scoring == "half" or self.order == "simultaneous":
            setting, value, other = (("scoring", "half", "separate") if self.scoring == "half" else
                                     ("order", "simultaneous", "alternating"))
            raise ValueError(f"model.turns.rest_above_accuracy={rest} lets the discriminator leave out a whole update, "
                             f"and model.turns.{setting}={value} has none of its own: type model.turns.{setting}="
                             f"{other}")

    def _refuse_what_cannot_be_shared(self) -> None:
        """Raises a ValueError if both players cannot use the same fakes, and the settings ask for it."""
        if self.order == "simultaneous":
            for name, only in IN_ONE_PASS.items():
                if (value := getattr(self, name)) != only:
                    raise ValueError(f"model.turns.order=simultaneous moves both players once a batch, from one pass "
                                     f"through both, and model.turns.{name}={str(value).lower()}: type "
                                     f"model.turns.{name}={str(only).lower()}")
        for setting, active in (("order=simultaneous", self.order == "simultaneous"),
                                ("share_latents=true", self.share_latents)):
            if not active:
                continue
            if self.scoring == "half":
                raise ValueError(f"model.turns.{setting} shows both players the same fakes, and model.turns.scoring="
                                 "half gives G twice as many as D: type model.turns.scoring=separate")
            if self.generator_batch_multiple != self.fake_batch_multiple:
                raise ValueError(f"model.turns.{setting} shows both players the same fakes, and model.turns."
                                 f"generator_batch_multiple={self.generator_batch_multiple} differs from fake_batch_"
                                 f"multiple={self.fake_batch_multiple}: type model.turns.generator_batch_multiple="
                                 f"{self.fake_batch_multiple}")

    def real_images(self, batch_size: int) -> int:
        """Returns how many reals D is shown in a step; the data module loads as many for a batch of `batch_size`."""
        return batch_size // 2 if self.scoring == "half" else batch_size

    def discriminator_fakes(self, num_real: int) -> int:
        return num_real * self.fake_batch_multiple

    def generator_fakes(self, num_real: int) -> int:
        whole_batch = 2 * num_real if self.scoring == "half" else num_real
        return whole_batch * self.generator_batch_multiple

    def plan(self, images_seen: int, discriminator_steps_taken: int,
             accuracy: Callable[[], float | None] = lambda: None) -> Plan:
        """Returns who moves in the step after so many images seen and updates of D. `accuracy` gives D's in the batch
        before, and is only called where it counts."""
        moves = self.discriminator_moves(images_seen)
        last = accuracy() if moves and self.rest_above_accuracy is not None else None
        return Plan(moves, self.generator_moves(images_seen, discriminator_steps_taken + moves),
                    last is not None and last > self.rest_above_accuracy)

    def discriminator_moves(self, images_seen: int) -> bool:
        return images_seen >= self.generator_warmup_images

    def generator_moves(self, images_seen: int, discriminator_steps_taken: int) -> int:
        """Returns how many updates G makes after this batch."""
        if images_seen < self.discriminator_warmup_images:
            return 0
        round_is_over = discriminator_steps_taken % self.discriminator_steps == 0
        return self.generator_steps if round_is_over else 0


def simultaneous(turns: Turns) -> dict[str, str | int]:
    """Returns the settings of turns to change, so that both players move at once."""
    settings = {**IN_ONE_PASS, "generator_batch_multiple": turns.fake_batch_multiple, "order": "simultaneous"}
    if turns.scoring == "half":
        settings["scoring"] = "separate"
    return {name: value for name, value in settings.items() if getattr(turns, name) != value}
