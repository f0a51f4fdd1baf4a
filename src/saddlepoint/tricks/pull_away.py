"""The pull-away term: keeps the codes of different fakes apart."""

from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import NonNegative
from saddlepoint.game.networks import IsAutoencoder
from saddlepoint.game.precision import exact
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import GeneratorStep, parts
from saddlepoint.game.trick import Trick


class PullAway(Trick):
    """G: weight * the mean over pairs of different fakes of the squared cosine of their codes, 0 to 1.

    Zhao, Mathieu and LeCun 2017, section 2.4, https://arxiv.org/abs/1609.03126. Codes are what D's encoder, the first
    half of an autoencoder, makes of the fakes; D is run once more for them. The pairs are those of one process.

    weight: 0 or more; the paper's is 0.1
    """

    def __init__(self, weight: Schedule | NonNegative = 0.1):
        super().__init__()
        self.weight = as_schedule(weight, "tricks.pull_away.weight", low=0)

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        name = self.name_in(recipe)
        without = {"trick": recipe.trick_list(without=[name])}
        for network_name, network in recipe.discriminators.items():
            if not isinstance(network, IsAutoencoder):
                yield Problem(f"trick=[{name}] compares codes of fakes, and {type(network).__name__} "
                              f"(model.{network_name}) is no autoencoder, which has them: type model=ebgan loss=ebgan, "
                              "or leave the trick out", without)
        fakes = recipe.turns.generator_fakes(recipe.turns.real_images(recipe.batch_size)) // recipe.images_of_a_pack
        if fakes < 2:
            yield Problem(f"trick=[{name}] compares the fakes of a batch in pairs, and data.batch_size="
                          f"{recipe.batch_size} leaves G a single one", {"data.batch_size": 2 * recipe.batch_size})

    def schedules(self) -> Mapping[str, Schedule]:
        return {"weight": self.weight}

    def generator_loss(self, step: GeneratorStep) -> Tensor:
        codes = step.discriminator.encodings(*parts(step.prepare(step.fake)), step.fake_labels)
        return step.value(self.weight) * mean_squared_cosine(exact(codes))


def mean_squared_cosine(codes: Tensor) -> Tensor:
    """Returns the mean [] over the N (N - 1) ordered pairs of different codes [N, L] of the square of their cosine."""
    count, directions = len(codes), F.normalize(codes)
    cosines = directions @ directions.T  # [N, N], with ones on its diagonal
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (count * (count - 1))
