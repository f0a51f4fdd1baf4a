"""Draws what a generator of points makes, what the discriminator thinks of the plane, and how a Dirac-GAN moves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint.config.rules import Count, Seed, WholeNumber
from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import RequestError
from saddlepoint.game.batches import PointBatch
from saddlepoint.game.modes import evaluating
from saddlepoint.game.networks import ComparesImages
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.metrics.images import BLOCK, GeneratedImages
from saddlepoint.networks.points import DiracDiscriminator, DiracGenerator
from saddlepoint.sampling import pictures, plots
from saddlepoint.training.callbacks import point_charts
from saddlepoint.training.callbacks.at_moments import AtMoments
from saddlepoint.training.callbacks.pace import Pace
from saddlepoint.training.loggers.adapters import show

MOST_PLACES = 2000  # of a path; beyond, every second one is left out


class PointClouds(AtMoments):
    """A callback that draws samples/points_<images seen>.png, called samples/points in loggers: real and generated
    points, generated points by their nearest mode, and D's logits with their gradient.

    All pictures of a run have the same limits. Points of more than two coordinates are shown along the two principal
    axes of the data. For a Dirac-GAN of one coordinate (model=dirac) the path of (theta, psi) so far, over the vector
    field that its players follow, takes the place of the modes. Training does not change.

    data: the points; those that are trained on, or others of the mixture where these are fresh
    every_images: points between two pictures; `auto`: 12 of them over the budget; None: only at the end
    moments: numbers of points seen at which to draw as well; 0 is before the first step
    num_points: real points, and generated ones, in a picture, 1 or more
    seed: of the fakes' latents
    """

    looks = 12
    needs_latents = True  # of the model: build.py refuses others in a sentence
    setting = "callbacks.point_clouds"

    def __init__(self, data: ImageDataModule, every_images: Pace, moments: Sequence[WholeNumber],
                 num_points: Count = 1000, seed: Seed = 0):
        super().__init__(every_images, moments)
        if data.yields is not PointBatch:
            raise RequestError("callbacks.point_clouds draws points, and the data are images: leave point_clouds out "
                               "of callbacks=")
        self.data, self.num_points, self.seed = data, num_points, seed
        self.path = DiracPath()

    def begin(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        if not trainer.is_global_zero:
            return
        self.real = self.data.evaluation_images("train").limited(self.num_points).points
        self.plane = point_charts.Plane.of(self.real)
        if is_dirac(module):
            self.path.begin(module)
            module.after_each_step.append(self.path.add)

    def act(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        picture = plots.beside(self.charts(module), 3)
        path = Path(trainer.default_root_dir) / "samples" / f"points_{self.acted_at:010d}.png"
        pictures.write_png(path, picture)
        show(trainer.loggers, "samples/points", picture, self.acted_at)

    def charts(self, module: SynthesisModule) -> list[Tensor]:
        """Returns the pictures that stand beside each other."""
        mixture, fake = self.data.mixture, self.generated(module)
        middle = (point_charts.dirac_path(module, self.path.places(), self.path.steps) if is_dirac(module)
                  else point_charts.modes(fake, mixture))
        charts = [point_charts.clouds(self.plane, self.real, fake, mixture.centres.cpu()), middle]
        if any(isinstance(layer, ComparesImages) for layer in module.networks["discriminator"].modules()):
            return charts  # D has no score at a place alone
        return [*charts, point_charts.discriminator_field(self.plane, module)]

    def generated(self, module: SynthesisModule) -> Tensor:
        """Returns generated points [num_points, D], always of the same latents, of the weights that draw."""
        classes = module.class_distribution if module.draws_labels else None
        with torch.no_grad(), evaluating(module.sampling_generator) as generator:
            points = GeneratedImages(generator, module.sampling_latents, classes, self.seed, self.num_points)
            return torch.cat([points.block(first).images.cpu() for first in range(0, self.num_points, BLOCK)])

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | self.path.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.path.load_state_dict(state_dict)


class DiracPath:
    """Keeps where a Dirac-GAN was, (theta, psi), after each update of D, or after one in `distance` where there would
    be more than MOST_PLACES; and where it is now."""

    def __init__(self):
        self.steps, self.distance = -1, 1
        self.kept: list[Tensor] = []  # [2] each, on the device

    def begin(self, module: SynthesisModule) -> None:
        """Notes where a run starts, or moves what a checkpoint had to the device."""
        self.kept = [place.to(module.device) for place in self.kept]
        if self.steps < 0:
            self.add(module)
        self.newest = position(module)

    def add(self, module: SynthesisModule) -> None:
        """Notes where the game is; reads nothing from the device."""
        self.steps, self.newest = self.steps + 1, position(module)
        if self.steps % self.distance == 0:
            self.kept.append(self.newest)
        if len(self.kept) > MOST_PLACES:
            self.kept, self.distance = self.kept[::2], 2 * self.distance

    def places(self) -> Tensor:
        """Returns the places in order [N, 2], float64 on the CPU."""
        return torch.stack([*self.kept, self.newest]).double().cpu()

    def state_dict(self) -> dict[str, Any]:
        if self.steps < 0:
            return {}
        return {"steps": self.steps, "distance": self.distance, "places": torch.stack(self.kept).cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if "places" in state:
            self.steps, self.distance, self.kept = state["steps"], state["distance"], [*state["places"]]


def is_dirac(module: SynthesisModule) -> bool:
    """Returns whether the game is a Dirac-GAN of one coordinate, which has a place in a plane."""
    generator, discriminator = module.networks["generator"], module.networks["discriminator"]
    return (isinstance(generator, DiracGenerator) and isinstance(discriminator, DiracDiscriminator)
            and generator.theta.numel() == discriminator.psi.numel() == 1)


def position(module: SynthesisModule) -> Tensor:
    """Returns (theta, psi), [2] on the device."""
    return torch.cat([module.networks["generator"].theta.detach(), module.networks["discriminator"].psi.detach()])
