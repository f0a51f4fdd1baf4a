"""Adversarial losses: what D and what G minimise, as functions of logits.

x are real images, G(z) fakes, D(.) a logit, s(.) the sigmoid; E is the mean over a batch and its patches, so that
logits may be [N] or [N, 1, h, w]. Every formula is computed in a form that stays finite at any logit.
"""

from collections.abc import Iterable
from typing import Annotated

from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import one_of
from saddlepoint.game.loss import REDUCTIONS, AdversarialLoss, SeparableLoss
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Targets
from saddlepoint.parallel.collectives import global_mean

SURE = 0.99  # a probability at which D's gradient is a hundredth of the one that a confident mistake gives


def _average_share(sure_reals: Tensor, sure_fakes: Tensor) -> Tensor:
    return (sure_reals.float().mean() + sure_fakes.float().mean()) / 2


def _target_of_each_logit(target: Tensor, logits: Tensor) -> Tensor:
    """Repeats a target [] or [N] for each logit [N, ...] of its image, in the shape of the logits."""
    return target.view(-1, *[1] * (logits.ndim - 1)).expand_as(logits)


class NonSaturating(SeparableLoss):
    """D: -E[t log s(D(x)) + (1 - t) log(1 - s(D(x)))] - the same on G(z), t the targets (1 for reals, 0 for fakes)
    G: -E[log s(D(G(z)))]

    Goodfellow et al. 2014, section 3, https://arxiv.org/abs/1406.2661. The optimal D has s(D) = p / (p + q), with p
    the density of the data and q that of the fakes.
    """

    uses_targets = True
    boundary = 0.0

    def probability(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts s(D(x)) > 0.99 and s(D(G(z))) < 0.01."""
        return _average_share(real.sigmoid() > SURE, fake.sigmoid() < 1 - SURE)

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return self.share * F.binary_cross_entropy_with_logits(real, _target_of_each_logit(targets.real, real))

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * F.binary_cross_entropy_with_logits(fake, _target_of_each_logit(targets.fake, fake))

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return F.softplus(-fake).mean()


class Minimax(NonSaturating):
    """D: as non-saturating. G: E[log(1 - s(D(G(z))))], whose gradient vanishes where D confidently rejects a fake.

    Goodfellow et al. 2014, eq. 1, https://arxiv.org/abs/1406.2661
    """

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -F.softplus(fake).mean()


class LeastSquares(SeparableLoss):
    """D: 1/2 E[(D(x) - t)^2] + 1/2 E[(D(G(z)) - t)^2], t the targets (1 for reals, 0 for fakes)
    G: 1/2 E[(D(G(z)) - 1)^2]

    Mao et al. 2017, eq. 2 with a = 0 and b = c = 1, https://arxiv.org/abs/1611.04076. The optimal D is p / (p + q).
    """

    uses_targets = True
    boundary = 0.5

    def probability(self, logits: Tensor) -> Tensor:
        return logits.clamp(0, 1)

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts |D(x) - 1| < 0.01 and |D(G(z))| < 0.01; farther from its target, on either side, D learns again."""
        return _average_share((real - 1).abs() < 1 - SURE, fake.abs() < 1 - SURE)

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return self.share * 0.5 * (real - _target_of_each_logit(targets.real, real)).square().mean()

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * 0.5 * (fake - _target_of_each_logit(targets.fake, fake)).square().mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return 0.5 * (fake - 1).square().mean()

    def of_both_sides(self, fake: Tensor, real: Tensor) -> Tensor:
        """Adds 1/2 E[D(x)^2], as D's targets mirror at 0.5."""
        return self.share * (self.generator(fake) + 0.5 * real.square().mean())


class Hinge(SeparableLoss):
    """D: E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]
    G: -E[D(G(z))]

    Lim and Ye 2017, https://arxiv.org/abs/1705.02894; Miyato et al. 2018, eq. 16 and 17. The optimal D is 1 where the
    data are denser than the fakes, and -1 elsewhere.
    """

    boundary = 0.0

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts D(x) >= 1 and D(G(z)) <= -1: at the margin and beyond it, where the gradient is 0."""
        return _average_share(real >= 1, fake <= -1)

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return self.share * F.relu(1 - real).mean()

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * F.relu(1 + fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()


class Wasserstein(SeparableLoss):
    """D: E[D(G(z))] - E[D(x)]
    G: -E[D(G(z))]

    Arjovsky et al. 2017, eq. 2, https://arxiv.org/abs/1701.07875. Unbounded unless D is Lipschitz.
    """

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return -self.share * real.mean()

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * fake.mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -fake.mean()

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        if not recipe.provides("lipschitz"):
            yield Problem(f"loss={recipe.loss_name} needs a Lipschitz critic and nothing here makes one: add the trick "
                          "wgan_gp, weight_clipping or spectral_norm", {"trick": recipe.trick_list(add=["wgan_gp"])})


class RelativeLoss(AdversarialLoss):
    """A loss that compares reals with fakes for both players, so it needs as many of each in every update."""

    needs_real_logits = True

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        turns = recipe.turns
        if turns.scoring == "half":
            yield Problem(f"loss={recipe.loss_name} compares reals with fakes, and model.turns.scoring=half never "
                          "shows D both in one update", {"model.turns.scoring": "separate"})
        for setting in ("generator_batch_multiple", "fake_batch_multiple"):
            multiple = getattr(turns, setting)
            if multiple != 1:
                yield Problem(f"loss={recipe.loss_name} compares as many reals as fakes, and "
                              f"model.turns.{setting}={multiple} makes {multiple} fakes for each real",
                              {f"model.turns.{setting}": 1})


class Relativistic(RelativeLoss):
    """D: E[softplus(-(D(x) - D(G(z))))], each real paired with one fake
    G: E[softplus(-(D(G(z)) - D(x)))]

    Jolicoeur-Martineau 2018, section 4, https://arxiv.org/abs/1807.00734; with R1 and R2 it is R3GAN's loss (Huang et
    al. 2024, https://arxiv.org/abs/2501.05441).
    """

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts the pairs with s(D(x) - D(G(z))) > 0.99."""
        return ((real - fake).sigmoid() > SURE).float().mean()

    def discriminator(self, real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
        return F.softplus(fake - real).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return F.softplus(real - fake).mean()


class RelativisticAverage(RelativeLoss):
    """D: E[softplus(-(D(x) - E[D(G(z))]))] + E[softplus(D(G(z)) - E[D(x)])]
    G: E[softplus(-(D(G(z)) - E[D(x)]))] + E[softplus(D(x) - E[D(G(z))])]

    Jolicoeur-Martineau 2018, section 4, https://arxiv.org/abs/1807.00734. `reduction` is for both
    players. Gradients also go through the means; with `detach_means` they do not in D's loss, whose value stays the
    same. ESRGAN's code (Wang et al. 2018, https://arxiv.org/abs/1809.00219) has reduction=mean detach_means=true. The
    means are over the batch of all processes.
    """

    def __init__(self, reduction: Annotated[str, one_of(*REDUCTIONS)] = "sum", detach_means: bool = False):
        super().__init__(reduction)
        self.detach_means = detach_means

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts s(D(x) - E[D(G(z))]) > 0.99 and s(D(G(z)) - E[D(x)]) < 0.01."""
        return _average_share((real - fake.mean()).sigmoid() > SURE, (fake - real.mean()).sigmoid() < 1 - SURE)

    def discriminator(self, real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
        real_mean, fake_mean = global_mean(real.mean()), global_mean(fake.mean())
        if self.detach_means:
            real_mean, fake_mean = real_mean.detach(), fake_mean.detach()
        return self.share * (F.softplus(fake_mean - real).mean() + F.softplus(fake - real_mean).mean())

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        real_mean, fake_mean = global_mean(real.mean()), global_mean(fake.mean())
        return self.share * (F.softplus(real_mean - fake).mean() + F.softplus(real - fake_mean).mean())
