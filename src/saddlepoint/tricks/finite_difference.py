"""R1 and R2 by finite differences: no derivative of a derivative.

n images, points or other rows that D is shown.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from saddlepoint.config.rules import Count, NonNegative, number, one_of
from saddlepoint.errors import RequestError
from saddlepoint.game.compiling import compiled_code_of
from saddlepoint.game.modes import in_float32, switched_off
from saddlepoint.game.precision import exact, precision_of
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.repeated_draws import KeptDraws, position
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import DiscriminatorStep, Shown, Step, each_part, parts
from saddlepoint.game.trick_stack import TrickStack
from saddlepoint.tricks.gradient_penalty import ZeroGradientPenalty

SIDES = {"real": ("real",), "fake": ("fake",), "both": ("real", "fake")}
DRAWING = (nn.modules.dropout._DropoutNd, nn.RReLU)  # layers that draw random numbers


class FiniteDifference(ZeroGradientPenalty):
    """gamma/2 * E[(D(x + sigma e) - D(x))^2] / sigma^2, e ~ N(0, I), at reals, at fakes, or the sum of both.

    "Scalable GANs with transformers" (GAT), https://arxiv.org/abs/2509.24935; Lin et al. 2025 (APT), not divided by
    sigma^2, https://arxiv.org/abs/2501.08316; "Adversarial flow models", with sigma 0.01 and a quarter of the
    images, https://arxiv.org/abs/2511.22475.

    For small sigma the mean over e is E||grad D(x)||^2, that of R1 and R2, so gamma means the same. For D(x) = x'Ax/2
    it is larger by sigma^2/4 (tr(A)^2 + 2||A||_F^2); for a linear D it is equal.

    The price is noise. For a linear D of d numbers and n images in a batch, the term deviates by sqrt(2/n) times
    its mean, and its gradient by sqrt((d + 1)/n) times: 8 times for 16 images of 32 x 32 pixels. Small batches of
    pixels want a smaller gamma, or R1 itself.

    D is run twice more and differentiated once, which compiled code, fused attention and checkpointed activations
    allow. Both passes have the same dropout, augmentation and noise, start from the same buffers (e.g. vectors of
    spectral normalisation), and are exact float32 in every precision, since the difference of two logits loses digits.
    The logits of an image's patches are summed.

    gamma: 0 or more
    sigma: standard deviation of what is added to each number, 0.0001 or more; images are in [-1, 1]
    sides: real (R1), fake (R2) or both
    every: D steps, 1 or more; one in so many has the penalty, so many times as strong
    one_image_in: images, 1 or more; one in so many is looked at; 4 in adversarial flow models
    """

    setting = "finite_difference"
    computes = "passes"
    is_watched = True  # until compiled code was found to draw nothing

    def __init__(self, gamma: Schedule | NonNegative = 10.0, sigma: Annotated[Schedule | float, number(1e-4)] = 0.01,
                 sides: Annotated[str, one_of(*SIDES)] = "both", every: Count = 1, one_image_in: Count = 1):
        super().__init__(gamma, every)
        self.sigma = as_schedule(sigma, f"tricks.{self.setting}.sigma", low=1e-4)
        if sides not in SIDES:
            raise ValueError(f"tricks.{self.setting}.sides={sides} must be one of {', '.join(SIDES)}")
        if one_image_in < 1:
            raise ValueError(f"tricks.{self.setting}.one_image_in={one_image_in} must be at least 1 image")
        self.sides, self.one_image_in = sides, one_image_in

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        yield from super().problems(recipe)
        if self.one_image_in > 1:
            where = f"tricks.{self.name_in(recipe)}.one_image_in"
            for network, layer in recipe.comparing_layers:
                if layer.group:
                    yield Problem(f"{where}={self.one_image_in} leaves out images, and model.{network}.{layer.setting}="
                                  f"{layer.group} compares each with its group, which would be another", {where: 1})

    def warnings(self, recipe: Recipe) -> Iterable[str]:
        for network, layer in recipe.comparing_layers:
            if layer.group:
                yield (f"trick=[{self.name_in(recipe)}] changes all images of a batch at once, and with model."
                       f"{network}.{layer.setting}={layer.group} a score depends on its whole group: its gradient is "
                       "with respect to all of these images")

    def schedules(self) -> Mapping[str, Schedule]:
        return {"gamma": self.gamma, "sigma": self.sigma}

    def reason_against_compiling(self, tricks: TrickStack, discriminators: Mapping[str, nn.Module]) -> str | None:
        """Returns why compiled code does not call D, whose random numbers cannot be repeated in it; None: it does."""
        for name, network in discriminators.items():
            for place, layer in network.named_modules():
                if isinstance(layer, DRAWING) and getattr(layer, "p", 1) > 0:
                    return (f"{type(layer).__name__} (model.{name}, {place}) draws random numbers, which both passes "
                            "must share")
        return None

    def mean_squared_norm(self, step: DiscriminatorStep) -> Tensor:
        of = {"real": (step.real, step.real_labels), "fake": (step.fake, step.fake_labels)}
        every, means = self.one_image_in, []
        for name in SIDES[self.sides]:
            shown, labels = of[name]
            means.append(self.squared_norms(step, each_part(lambda part: part[::every], shown), labels[::every]).mean())
        return torch.stack(means).sum()

    def squared_norms(self, step: Step, shown: Shown, labels: Tensor) -> Tensor:
        """Returns (D(x + sigma e) - D(x))^2 / sigma^2 of each row [n] of what D is shown, with these labels [n]."""
        sigma, shown, network = step.value(self.sigma), each_part(exact, shown), step.discriminator
        moved = each_part(lambda part: part + sigma * step.random.normal(self.setting, tuple(part.shape)), shown)
        draws, buffers = KeptDraws(), [(buffer, buffer._version, buffer.clone()) for buffer in network.buffers()]
        code = None if self.is_compiled else compiled_code_of(network)
        with in_float32(parts(shown)[0].device), switched_off(precision_of(network)), switched_off(code):
            first = self.logits(step, shown, labels, draws)
            with torch.no_grad():
                for buffer, version, before in buffers:
                    if buffer._version != version:  # the others may be part of a graph, e.g. as the weights of a filter
                        buffer.copy_(before)
            second = self.logits(step, moved, labels, draws.again())
        inverse = step.value(lambda images_seen: self.sigma(images_seen) ** -2)
        return inverse * (second - first).reshape(len(labels), -1).sum(1).square()

    def logits(self, step: Step, shown: Shown, labels: Tensor, draws: TorchDispatchMode) -> Tensor:
        """Returns D's logits, [n] or [n, 1, h, w], with these random numbers."""
        with draws:
            prepared = step.prepare(shown)
            if not self.is_compiled:
                return step.logits(prepared, labels)
        if not self.is_watched:
            return step.logits(prepared, labels)
        before, self.is_watched = position(labels.device), False
        logits = step.logits(prepared, labels)
        if position(labels.device) != before:
            raise RequestError("trainer.compile=true: the discriminator draws random numbers in its own code, which "
                               f"the two passes of trick=[{self.setting}] must share and compiled code does not tell: "
                               "let it draw by nn.Dropout, or type trainer.compile=false")
        return logits
