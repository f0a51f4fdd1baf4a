"""Charts of a game of points: clouds, points of each mode, D's field, and the path of a Dirac-GAN.

N points of D coordinates, K modes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from saddlepoint.data.mixtures import Mixture
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import PointBatch
from saddlepoint.game.linearisation import GameField, gaussian_pairs
from saddlepoint.game.modes import evaluating
from saddlepoint.sampling.plots import COLOURS, Chart, Limits, lattice

REAL, FAKE = COLOURS[:2]
REACH = 1.4       # of a chart of points, as a multiple of how far the data reaches from its middle
ALONE = 2.0       # how far a chart of data in one place reaches
CELLS, ARROWS = 48, 15  # in a row of D's field: logits, and gradients
TRACK_REACH = 2.5  # of the chart of a Dirac-GAN, at least
PATH_REACH = 50.0  # of it, at most: a path that runs away leaves the chart


@dataclass(frozen=True)
class Plane:
    """The plane in which points are shown, with limits that stay the same over a run.

    A point x lies at axes (x - middle): its two coordinates, its one beside 0, or, of more than two, the principal axes
    of the data, in which it varies most.
    """

    middle: Tensor  # [D]
    axes: Tensor    # [2, D], orthonormal; the second is 0 where D is 1
    limits: Limits
    names: tuple[str, str]

    @classmethod
    def of(cls, real: Tensor) -> "Plane":
        """Returns the plane of real points [N, D]."""
        real, dimensions = real.double(), real.shape[1]
        names = ("first coordinate", "second") if dimensions > 1 else ("the coordinate", "")
        middle, axes = torch.zeros(dimensions, dtype=torch.float64), torch.eye(2, dimensions, dtype=torch.float64)
        if dimensions > 2:
            middle, names = real.mean(0), ("first principal axis of the data", "second")
            axes = torch.linalg.svd(real - middle, full_matrices=False).Vh[:2]
            axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()  # SVD leaves the signs open
        shown = (real - middle) @ axes.T
        centre = (shown.amin(0) + shown.amax(0)) / 2
        reach = REACH * (shown - centre).abs().max().item() or ALONE
        x, y = centre.tolist()
        return cls(middle, axes, (x - reach, x + reach, y - reach, y + reach), names)

    def project(self, points: Tensor) -> Tensor:
        """points [N, D] -> their places in the plane [N, 2]"""
        return (points.double() - self.middle) @ self.axes.T

    def lift(self, places: Tensor) -> Tensor:
        """places in the plane [N, 2] -> points [N, D]"""
        return self.middle + places.double() @ self.axes

    def chart(self, title: str) -> Chart:
        return Chart(self.limits, title, *self.names)


def clouds(plane: Plane, real: Tensor, fake: Tensor, centres: Tensor) -> Tensor:
    """Returns real and generated points [N, D] in one chart, with the centres [K, D] of the modes."""
    places = plane.project(fake)
    chart = plane.chart("real and generated points")
    chart.points(plane.project(real), REAL, label="real")
    outside = len(fake) - int(chart.is_inside(places).sum())
    chart.points(places, FAKE, label=f"generated ({outside} of {len(fake)} outside)" if outside else "generated")
    chart.crosses(plane.project(centres), "black")
    return chart.picture()


def counts_of_modes(points: Tensor, centres: Tensor) -> Tensor:
    """Returns how many of the points [N, D] are nearest to each of the centres [K, D]: [K] int64."""
    nearest = torch.cdist(points.double(), centres.double()).argmin(1)
    return torch.bincount(nearest, minlength=len(centres))


def modes(fake: Tensor, mixture: Mixture) -> Tensor:
    """Returns a bar for each mode: the generated points [N, D] that are nearest to it, however far away."""
    counts = counts_of_modes(fake, mixture.centres.cpu()).tolist()
    even = len(fake) / len(counts)
    chart = Chart((-0.7, len(counts) - 0.3, 0.0, 1.15 * max(*counts, 1.5 * even)),
                  "generated points by their nearest mode", "mode")
    chart.bars(counts, FAKE)
    chart.level(even, REAL, "all modes alike")
    return chart.picture()


def discriminator_field(plane: Plane, module: AdversarialModule) -> Tensor:
    """Returns D's logits as colours, white where it is indifferent, and their gradient as arrows, in the plane.

    D is in evaluation mode, and sees each place alone, without tricks that change what it is shown; a D of packs sees
    packs of copies of it. White is the mean logit where the loss knows only differences.
    """
    network, packs = module.networks["discriminator"], module.tricks.images_of_a_pack
    with evaluating(network):
        values = logits(network, plane, lattice(plane.limits, CELLS), packs, module.device)[0]
        places = lattice(plane.limits, ARROWS)
        slopes = logits(network, plane, places, packs, module.device)[1]
    boundary = module.loss.boundary
    middle = values.mean().item() if boundary is None else boundary
    reach = (values - middle).abs().max().item()
    of_packs = f", packs of {packs} copies" if packs > 1 else ""
    chart = plane.chart(f"D: {middle:.3g} (white) ± {reach:.3g}{of_packs}")
    chart.heat(values.view(CELLS, CELLS), middle, reach)
    chart.arrows(places, slopes, "#333333")
    return chart.picture()


def logits(network: nn.Module, plane: Plane, places: Tensor, packs: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns D's logits [N] at places [N, 2] of the plane and their gradients [N, 2] along it, on the CPU."""
    with torch.enable_grad():
        places = places.double().requires_grad_()
        shown = plane.lift(places).float().repeat(1, packs).to(device)
        labels = torch.zeros(len(places), dtype=torch.long, device=device)
        values = network(shown, labels).float().cpu()
        [slopes] = torch.autograd.grad(values.sum(), places)
    return values.detach().double(), slopes


def dirac_path(module: AdversarialModule, path: Tensor, steps: int) -> Tensor:
    """Returns the path [N, 2] of (theta, psi) in so many updates of D, over the vector field of the players."""
    reach = min(max(1.1 * path.abs().max().item(), TRACK_REACH), PATH_REACH)
    limits = (-reach, reach, -reach, reach)
    chart = Chart(limits, f"theta and psi after {steps:,} updates of D", "theta (G)", "psi (D)")
    if module.turns.scoring != "half":  # its updates are of one side each
        field, places = dirac_field(module), lattice(limits, ARROWS)
        chart.arrows(places, torch.stack([field(place.to(module.device)).cpu() for place in places]), "#aaaaaa")
    chart.line(path, FAKE)
    chart.points(path[-1:], FAKE, 4)
    chart.crosses(torch.zeros(1, 2), "black")
    return chart.picture()


def dirac_field(module: AdversarialModule) -> GameField:
    """Returns the field of a Dirac-GAN with the tricks' present settings, instance noise as its mean."""
    noise = [each.float().to(module.device) for each in gaussian_pairs()]
    real = torch.zeros_like(noise[0])
    batch = PointBatch(real, torch.zeros(len(real), dtype=torch.long, device=module.device))
    return GameField(module, batch, {"instance_noise": noise})
