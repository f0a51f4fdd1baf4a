"""Which games of two numbers converge: Dirac-GAN by our own losses, penalties and steps, against the theory.

    python benchmarks/convergence.py

Writes docs/convergence.md and docs/images/convergence.png: eigenvalues of the linearised game, the flow along its
vector field, and real training with simultaneous and with alternating updates. Three minutes on one core; nothing in it
is random but instance noise, whose numbers are fixed. `steps`: updates of a training, at least 100.
"""

import cmath
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from _arguments import read_arguments
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from saddlepoint.game import linearisation  # noqa: E402
from saddlepoint.game.loss import AdversarialLoss  # noqa: E402
from saddlepoint.game.trick import Trick  # noqa: E402
from saddlepoint.game.turns import ORDERS, Turns  # noqa: E402
from saddlepoint.losses.adversarial import (  # noqa: E402
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
)
from saddlepoint.sampling import pictures, plots  # noqa: E402
from saddlepoint.tricks.consensus import Consensus  # noqa: E402
from saddlepoint.tricks.gradient_penalty import R1, R2, Dragan, WassersteinGradientPenalty  # noqa: E402
from saddlepoint.tricks.instance_noise import InstanceNoise  # noqa: E402
from saddlepoint.tricks.weights import WeightClipping  # noqa: E402
from tests.game import playing  # noqa: E402
from tests.game.dirac import dirac_batch, dirac_field, dirac_game, points  # noqa: E402

RATE = 0.1                        # of both players
LIMITS = (-2.5, 2.5, -2.5, 2.5)   # of the pictures
SHOWN = 40                        # units of time in a picture
COLUMNS = ("method", "predicted", "ours", "flow", "largest, simultaneous", "simultaneous", "largest, alternating",
           "alternating")
PAGE, PICTURE = ROOT / "docs" / "convergence.md", ROOT / "docs" / "images" / "convergence.png"


@dataclass
class Method:
    """A loss with tricks, and what theory says of it.

    trace, determinant: of the Jacobian at the equilibrium; None: the field has a kink there, or a step is no part of it
    """

    name: str
    loss: AdversarialLoss
    tricks: Mapping[str, Trick] = field(default_factory=dict)
    trace: float | None = 0.0
    determinant: float = 0.25
    flows: bool = True
    orders: tuple[str, ...] = ORDERS

    def trained(self, order: str, steps: int) -> Tensor:
        """Returns the points (theta, psi) [steps + 1, 2] of a real training from (1, 1)."""
        game = dirac_game(self.loss, self.tricks, Turns(order=order), RATE)
        record = playing.play(game, [dirac_batch()] * steps)
        path = [torch.cat(both) for both in zip(record.generators, record.discriminators, strict=True)]
        return torch.stack([points(1, 1), *path])


METHODS = [
    Method("minimax", Minimax()),
    Method("non-saturating", NonSaturating()),
    Method("least squares", LeastSquares()),
    Method("relativistic, paired", Relativistic()),
    Method("relativistic average", RelativisticAverage(), determinant=1.0),
    Method("hinge", Hinge(), determinant=1.0),
    Method("Wasserstein", Wasserstein(), determinant=1.0),
    Method("non-saturating, R1 0.3", NonSaturating(), {"r1": R1(0.3)}, trace=-0.3),
    Method("non-saturating, R2 0.3", NonSaturating(), {"r2": R2(0.3)}, trace=-0.3),
    Method("non-saturating, R1 2", NonSaturating(), {"r1": R1(2.0)}, trace=-2.0),
    Method("paired, R1 and R2 0.3", Relativistic(), {"r1": R1(0.3), "r2": R2(0.3)}, trace=-0.6),
    Method("non-saturating, instance noise 0.7", NonSaturating(),
           {"instance_noise": InstanceNoise(0.7)}, trace=-0.7 ** 2 / 2),
    Method("minimax, consensus 1", Minimax(), {"consensus": Consensus(1.0)}, trace=-0.5,
           determinant=0.25 + 0.25 ** 2, orders=("simultaneous",)),
    Method("Wasserstein, WGAN-GP 0.3", Wasserstein(),
           {"wgan_gp": WassersteinGradientPenalty(0.3)}, trace=None),
    Method("non-saturating, DRAGAN 0.3", NonSaturating(), {"dragan": Dragan(0.3)}, trace=None),
    Method("Wasserstein, clipping 0.5", Wasserstein(),
           {"weight_clipping": WeightClipping(0.5)}, trace=None, flows=False),
]
DRAWN = {"minimax", "non-saturating", "Wasserstein, WGAN-GP 0.3", "non-saturating, R1 0.3",
         "non-saturating, instance noise 0.7", "minimax, consensus 1"}


def roots(trace: float, determinant: float) -> list[complex]:
    """Returns the eigenvalues of a matrix of two rows."""
    root = cmath.sqrt(trace ** 2 / 4 - determinant)
    return [trace / 2 - root, trace / 2 + root]


def written(values: list[complex]) -> str:
    """Writes a pair of eigenvalues, e.g. -0.15 +- 0.477i."""
    low, high = values
    if abs(high.imag) < 1e-9:
        return f"{low.real:.3g} and {high.real:.3g}"
    real = "" if abs(high.real) < 1e-9 else f"{high.real:.3g} "
    return f"{real}± {abs(high.imag):.3g}i"


def outcome(path: Tensor) -> str:
    """Returns the mean distance from the equilibrium in the last tenth of a path, and in words what it does."""
    distances = path.norm(dim=1)
    tenth = len(distances) // 10
    early, late = distances[tenth:2 * tenth].mean().item(), distances[-tenth:].mean().item()
    if late < 0.01:
        return f"{late:.1g}, converges" if late >= 1e-4 else "0, converges"
    word = "approaches" if late < 0.8 * early else "moves away" if late > 1.25 * early else "keeps its distance"
    return f"{late:.2f}, {word}"


def row(method: Method, steps: int, show: Callable[[Tensor], None]) -> str:
    """Returns a line of the table; `show` gets the picture of a method that is drawn."""
    game_field = dirac_field(method.loss, method.tricks)
    paths = {"flow": linearisation.flow(game_field, points(1, 1), 2 * RATE, steps // 2)} if method.flows else {}
    paths |= {order: method.trained(order, steps) for order in method.orders}
    if method.trace is None:
        predicted = ours = "none: a kink" if method.flows else "none: a cut"
        radii = ["", ""]
    else:
        slope = linearisation.jacobian(game_field, points(0, 0))
        predicted = written(roots(method.trace, method.determinant))
        ours = written(linearisation.eigenvalues(slope).tolist())
        of_steps = {"simultaneous": linearisation.simultaneous_matrix(slope, RATE),
                    "alternating": linearisation.alternating_matrix(slope, RATE, 1)}
        radii = [f"{linearisation.eigenvalues(of_steps[order]).abs().max():.4f}" if order in method.orders else ""
                 for order in ("simultaneous", "alternating")]
    ends = [outcome(paths[name]) if name in paths else "" for name in ("flow", "simultaneous", "alternating")]
    if method.name in DRAWN:
        show(drawn(method.name, game_field, paths))
    return f"| {' | '.join([method.name, predicted, ours, ends[0], radii[0], ends[1], radii[1], ends[2]])} |"


def drawn(name: str, game_field: linearisation.Field, paths: Mapping[str, Tensor]) -> Tensor:
    """Returns the vector field with the first part of each path over it."""
    chart = plots.Chart(LIMITS, name, "theta (G)", "psi (D)")
    places = plots.lattice(LIMITS, 17).double()
    chart.arrows(places, torch.stack([game_field(place) for place in places]), "#bbbbbb")
    for label, colour in zip(("flow", *ORDERS), plots.COLOURS, strict=False):
        if label in paths:
            chart.line(paths[label][:round(SHOWN / (2 * RATE if label == "flow" else RATE)) + 1], colour, label)
    chart.crosses(torch.zeros(1, 2), "black")
    return chart.picture()


def spiral() -> tuple[float, float, float]:
    """Returns how far the non-saturating flow from (1, 1) is at t = 500 and at 2,000, and the power of t at which it
    falls between them."""
    distances = linearisation.flow(dirac_field(NonSaturating()), points(1, 1), 0.4, 5000).norm(dim=1)
    middle, end = distances[1250].item(), distances[5000].item()
    return middle, end, math.log(end / middle) / math.log(4)


TEXT = """# Which games converge

This page is written by `python benchmarks/convergence.py`, tables and picture included.
`tests/game/test_linearisation.py` holds its claims.

The smallest GAN has two numbers. The data is one point, 0. G makes one point, theta. D is a straight line, D(x) = psi
x. (For least squares D(x) = psi x + 1/2: its losses are indifferent at 1/2.) The only equilibrium is theta = psi = 0:
the fake lies on the data, and D says nothing. This is the Dirac-GAN of Mescheder, Geiger and Nowozin 2018 ([arXiv
1801.04406](https://arxiv.org/abs/1801.04406)). What does not converge here has no reason of its own to converge in a
larger game, though it may train well there.

    python train.py experiment=dirac loss=hinge 'trick=[r1]' tricks.r1.gamma=0.3

plays it and draws the path of both numbers over their vector field, in `samples/` of the run and in TensorBoard.

## How to read the table

- **The vector field** v = (-dL_G/dtheta, -dL_D/dpsi) says where both players want to go. It is computed by our own
  losses, penalties and tricks, by the code that trains (`saddlepoint.game.linearisation.GameField`).
- **Eigenvalues** are those of the field's Jacobian at the equilibrium (Nagarajan and Kolter 2017, [arXiv
  1706.04156](https://arxiv.org/abs/1706.04156)). A negative real part draws the players in, a positive one drives them
  away. Imaginary parts let them circle. With a real part of 0 they decide nothing. *Predicted* is the papers' formula,
  *ours* is automatic differentiation.
- **The flow** follows the field in continuous time, like training with steps of size 0. The column has the mean
  distance from the equilibrium in the last tenth of {time:g} units of time, from (1, 1), whose distance is 1.41. The
  words compare it with the second tenth: *approaches* below 0.8 of that, *moves away* above 1.25, *keeps its
  distance* between; *converges* is below a distance of 0.01.
- **Simultaneous and alternating** are real trainings (SGD, rate {rate:g}, {steps:,} updates, which is the same time).
  *Largest* is the largest absolute eigenvalue of one update's matrix, I + hJ or the product of both players' halves:
  above 1 the distance grows with each update.

{columns}
|---|---|---|---|---|---|---|---|
{rows}

![The vector field of six methods, with the flow and both kinds of updates from (1, 1)](images/convergence.png)

## What it says

- **Without a penalty nothing draws the players in, to first order.** All seven losses have eigenvalues on the imaginary
  axis: ± i f'(0), where f' is 1/2 for a logistic loss. The relativistic average has two such terms
  (`loss.reduction=sum`), hinge and Wasserstein have slope 1.
- **Who moves when matters.** Near the equilibrium simultaneous updates multiply the distance by the root of
  1 + h² f'(0)², so they spiral outwards. Alternating ones, the default, have determinant 1: they stay on a ring around
  it. Farther out four of the losses bend, which draws the players in, ever more slowly.
- **Non-saturating spirals inwards, but only like 1 over the root of t.** Its eigenvalues are those of minimax; terms of
  higher order decide. From 1.41 the flow comes to {middle:.3f} at t = 500 and {end:.3f} at t = 2,000 (an independent
  solver: 0.063), which is t to the power of {power:.3f}.
- **R1 and R2 converge**: -gamma/2 ± the root of gamma²/4 - f'(0)². They are one and the same term here, as D's slope is
  the same everywhere. Beyond gamma = 2 f'(0) the eigenvalues are real, and a larger gamma makes the slower of the two
  slower.
- **Instance noise converges**: -s²/4 ± the root of s⁴/16 - 1/4, s its standard deviation. Eigenvalues and flow take the
  mean over the noise by the three points of Gauss and Hermite for each of both sides (exact at the equilibrium). The
  trainings draw it, so their points scatter.
- **Consensus optimisation converges** (Mescheder, Nowozin and Geiger 2017, [arXiv
  1705.10461](https://arxiv.org/abs/1705.10461)): v - gamma grad |v|²/2 has the Jacobian J - gamma JᵀJ, here -gamma
  f'(0)² ± i f'(0). It needs both gradients at the same weights, so it has no alternating form.
- **WGAN-GP, DRAGAN and clipping do not converge.** The first two want a slope of 1 of D, which is wrong at the
  equilibrium, where psi is 0: the penalty has a kink there, so there is no linearisation, and the players end on a
  cycle. Clipping changes nothing near 0: the players circle as if it were not there.

In networks the picture is local: it says what happens near an equilibrium, not whether a run comes near one.
"""


def main() -> None:
    steps = read_arguments({"steps": 600})["steps"]
    shown: list[Tensor] = []
    rows = []
    for method in METHODS:
        rows.append(row(method, steps, shown.append))
        print(rows[-1], flush=True)
    middle, end, power = spiral()
    print(f"non-saturating flow: {middle:.4f} at t = 500, {end:.4f} at t = 2,000, power {power:.4f}")
    columns = f"| {' | '.join(COLUMNS)} |"
    PAGE.write_text(TEXT.format(columns=columns, rows="\n".join(rows), steps=steps, rate=RATE, time=RATE * steps,
                                middle=middle, end=end, power=power), encoding="utf-8")
    pictures.write_png(PICTURE, plots.beside(shown, 3))


if __name__ == "__main__":
    main()
