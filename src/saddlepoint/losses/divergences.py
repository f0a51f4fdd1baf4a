"""f-divergences as games: Nowozin, Cseke and Tomioka 2016 (f-GAN), https://arxiv.org/abs/1606.00709

p is the density of the data, q that of the fakes, D_f = E_q[f(p / q)]. For every function T with values where the
conjugate f* is defined, E_p[T(x)] - E_q[f*(T(x))] is at most D_f, and equal to it for T = f'(p / q) (section 2.2). D
gives any number v; the activation g_f puts it there: T = g_f(v). v is called the logit, and sigmoid is s.
"""

import math
from collections.abc import Callable
from typing import Annotated, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from saddlepoint.config.rules import one_of
from saddlepoint.game.loss import REDUCTIONS, SeparableLoss
from saddlepoint.game.step import Targets

MOST = 1e6  # up to which exp is exp; a density ratio beyond it cannot be learned from batches
SURE = math.log(99)  # the logit of a probability of 0.99
FEW = 0.01  # of a gradient, which D hardly learns from
GENERATORS = ("raw", "alternative")
NEVER = (math.inf, math.inf)


def bounded_exp(values: Tensor) -> Tensor:
    """Returns exp(v), and beyond exp(v) = 1e6 its tangent, so that losses and gradients stay finite at any logit.

    With it the conjugates are those of f on ratios p / q from 1e-6 to 1e6 (of their roots, for squared_hellinger).
    """
    limit = math.log(MOST)
    return values.clamp(max=limit).exp() * (1 + (values - limit).clamp(min=0))


class Divergence(NamedTuple):
    """A row of tables 2 and 6 of the paper, as functions of the logit v, in forms that stay finite."""

    activation: Callable[[Tensor], Tensor]  # T = g_f(v)
    conjugate: Callable[[Tensor], Tensor]  # f*(g_f(v))
    boundary: float  # the logit at which p = q, where g_f(v) = f'(1)
    log_ratio: Callable[[Tensor], Tensor]  # log(p / q) where v is best
    learned_real: tuple[float, float]  # logits of reals between which D's gradient is below a hundredth
    learned_fake: tuple[float, float]  # the same of fakes


DIVERGENCES = {
    # E_p[log(p / q)]; f(u) = u log u, f*(t) = exp(t - 1)
    "kl": Divergence(
        activation=lambda v: v, conjugate=lambda v: bounded_exp(v - 1), boundary=1.0, log_ratio=lambda v: v - 1,
        learned_real=NEVER, learned_fake=(-math.inf, 1 + math.log(FEW))),
    # E_q[log(q / p)]; f(u) = -log u, f*(t) = -1 - log(-t)
    "reverse_kl": Divergence(
        activation=lambda v: -bounded_exp(-v), conjugate=lambda v: v - 1, boundary=0.0, log_ratio=lambda v: v,
        learned_real=(-math.log(FEW), math.inf), learned_fake=NEVER),
    # E_q[(p / q - 1)^2]; f(u) = (u - 1)^2, f*(t) = t^2 / 4 + t
    "pearson": Divergence(
        activation=lambda v: v, conjugate=lambda v: v.square() / 4 + v, boundary=0.0,
        log_ratio=lambda v: (1 + v / 2).clamp(min=1 / MOST).log(),
        learned_real=NEVER, learned_fake=(-2 - 2 * FEW, -2 + 2 * FEW)),
    # the integral of (sqrt p - sqrt q)^2, without a factor 1/2; f(u) = (sqrt u - 1)^2, f*(t) = t / (1 - t)
    "squared_hellinger": Divergence(
        activation=lambda v: 1 - bounded_exp(-v), conjugate=lambda v: bounded_exp(v) - 1, boundary=0.0,
        log_ratio=lambda v: 2 * v,
        learned_real=(-math.log(FEW), math.inf), learned_fake=(-math.inf, math.log(FEW))),
    # KL(p, m) + KL(q, m) with m = (p + q) / 2, twice the divergence that is called JSD;
    # f(u) = u log u - (u + 1) log((u + 1) / 2), f*(t) = -log(2 - exp t)
    "jensen_shannon": Divergence(
        activation=lambda v: math.log(2) - F.softplus(-v), conjugate=lambda v: F.softplus(v) - math.log(2),
        boundary=0.0, log_ratio=lambda v: v, learned_real=(SURE, math.inf), learned_fake=(-math.inf, -SURE)),
    # 2 JSD - log 4, Goodfellow's game; f(u) = u log u - (u + 1) log(u + 1), f*(t) = -log(1 - exp t)
    "gan": Divergence(
        activation=lambda v: -F.softplus(-v), conjugate=F.softplus, boundary=0.0, log_ratio=lambda v: v,
        learned_real=(SURE, math.inf), learned_fake=(-math.inf, -SURE)),
}


class FDivergence(SeparableLoss):
    """D: -(E[T(x)] - E[f*(T(G(z)))]), T = g_f(D(.)); at best it is -D_f(p, q)
    G: -E[f*(T(G(z)))] with generator=raw, -E[T(G(z))] with generator=alternative

    Nowozin et al. 2016, equations 4 and 8 and section 3.2, https://arxiv.org/abs/1606.00709. The alternative has the
    same fixed points, and a gradient where D rejects a fake, as the non-saturating loss has to minimax: they are the
    two forms of divergence=gan.

    divergence: kl, reverse_kl, pearson, squared_hellinger, jensen_shannon or gan; the p of kl is the data's
    generator: raw, the algorithm's G; or alternative, the one of the paper's experiments
    reduction: of D's two terms, sum or mean
    """

    def __init__(self, reduction: Annotated[str, one_of(*REDUCTIONS)] = "sum",
                 divergence: Annotated[str, one_of(*DIVERGENCES)] = "kl",
                 generator: Annotated[str, one_of(*GENERATORS)] = "alternative"):
        super().__init__(reduction)
        if divergence not in DIVERGENCES:
            raise ValueError(f"loss.divergence={divergence} must be one of {', '.join(DIVERGENCES)}")
        if generator not in GENERATORS:
            raise ValueError(f"loss.generator={generator} must be one of {', '.join(GENERATORS)}")
        self.divergence, self.is_raw = DIVERGENCES[divergence], generator == "raw"
        self.boundary = self.divergence.boundary

    def probability(self, logits: Tensor) -> Tensor:
        """Returns p / (p + q), of the ratio for which the logit is the best one."""
        return self.divergence.log_ratio(logits).sigmoid()

    def saturation(self, real: Tensor, fake: Tensor) -> Tensor:
        """Counts the logits at which D's gradient is below a hundredth."""
        intervals = self.divergence.learned_real, self.divergence.learned_fake
        shares = [((low < logits) & (logits < high)).float().mean()
                  for logits, (low, high) in zip((real, fake), intervals, strict=True)]
        return sum(shares) / 2

    def real_term(self, real: Tensor, targets: Targets) -> Tensor:
        return -self.share * self.divergence.activation(real).mean()

    def fake_term(self, fake: Tensor, targets: Targets) -> Tensor:
        return self.share * self.divergence.conjugate(fake).mean()

    def generator(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return -(self.divergence.conjugate if self.is_raw else self.divergence.activation)(fake).mean()

    def of_both_sides(self, fake: Tensor, real: Tensor) -> Tensor:
        """Adds E[T(x)] with generator=raw, E[f*(T(x))] with the alternative: D's game with the sides exchanged."""
        of_reals = (self.divergence.activation if self.is_raw else self.divergence.conjugate)(real).mean()
        return self.share * (self.generator(fake) + of_reals)
