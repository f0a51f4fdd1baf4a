"""Mode seeking: other latents make another image."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from saddlepoint.config.rules import NonNegative, Positive
from saddlepoint.game.networks import mixes_styles
from saddlepoint.game.precision import exact
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import GeneratorStep, parts
from saddlepoint.game.trick import Trick
from saddlepoint.parallel.collectives import global_mean
from saddlepoint.tricks.from_latents import latents_problems, single_fakes


class ModeSeeking(Trick):
    """weight / (ratio + epsilon) in G's loss, with ratio = E|G(z1, y) - G(z2, y)| / E|z1 - z2|.

    Mao et al. 2019 (MSGAN), section 3.2, equation 4, https://arxiv.org/abs/1903.05628, which makes the ratio large.
    That its inverse is added, that distances are means of absolute differences and that their means over the batch are
    divided are choices of the authors' code.

    The latents of a fake and of its neighbour in the batch are a pair (z1, z2). An unconditional generator has made
    both images already. A conditional one makes the second image again, with the label y of the first.

    weight: 0 or more; the paper's is 1
    epsilon: above 0
    """

    def __init__(self, weight: Schedule | NonNegative = 1.0, epsilon: Positive = 1e-5):
        super().__init__()
        self.weight = as_schedule(weight, "tricks.mode_seeking.weight", low=0)
        if epsilon <= 0:
            raise ValueError(f"tricks.mode_seeking.epsilon={epsilon} must be above 0")
        self.epsilon = epsilon

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        yield from latents_problems(self, recipe)
        reals = recipe.turns.real_images(recipe.batch_size)
        if (fakes := recipe.turns.generator_fakes(reals)) < 2:
            yield Problem(f"trick=[{self.name_in(recipe)}] compares two fakes of an update, and data.batch_size="
                          f"{recipe.batch_size} gives the generator {fakes}", {"data.batch_size": 2})
        if mixes_styles(recipe.generator) and getattr(recipe.generator, "num_classes", 0):
            yield Problem(f"trick=[{self.name_in(recipe)}] makes images once more of the latents of others, and "
                          f"model.generator.style_mixing={recipe.generator.style_mixing:g} gives them styles of yet "
                          "other latents", {"model.generator.style_mixing": 0})

    def schedules(self) -> Mapping[str, Schedule]:
        return {"weight": self.weight}

    def generator_loss(self, step: GeneratorStep) -> Tensor:
        latents, labels, fakes = (rows[:len(rows) // 2 * 2] for rows in single_fakes(step))
        others = swapped(latents)
        if getattr(step.generator, "num_classes", 0):
            images = parts(step.generator(others, labels))[0]
        else:
            images = swapped(fakes)
        ratio = distance(fakes, images) / distance(latents, others)
        return step.value(self.weight) * (ratio + self.epsilon).reciprocal()


def swapped(rows: Tensor) -> Tensor:
    """Returns rows [M, ...] in which those of each pair, 0 and 1, 2 and 3, ..., have changed places."""
    return rows.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def distance(rows: Tensor, others: Tensor) -> Tensor:
    """Returns the mean absolute difference [] of rows [M, ...], over the processes."""
    return global_mean((exact(rows) - exact(others)).abs().mean())
