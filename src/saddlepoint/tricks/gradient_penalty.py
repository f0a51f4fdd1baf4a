"""Penalties on the gradient of D's score with respect to each image.

They differ in the points at which the gradient is taken and in the norm it should have. N real images of C channels and
H x W pixels, M fakes, M a multiple of N.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from saddlepoint.config.rules import Count, NonNegative
from saddlepoint.game.compiling import compiled_code_of, first_line
from saddlepoint.game.modes import is_under_autocast, switched_off
from saddlepoint.game.precision import precision_of
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import DiscriminatorStep, Shown, Step, each_part, parts
from saddlepoint.game.trick import Trick
from saddlepoint.game.trick_stack import TrickStack

# The slope of sqrt(s) is infinite at s = 0. That of sqrt(s + UNDER_ROOT) is finite, and from s = 1e-4 on both roots are
# equal in float32.
UNDER_ROOT = 1e-12


def squared_gradient_norm(score: Callable[[Shown], Tensor], shown: Shown) -> Tensor:
    """Returns ||grad_x D(x)||^2 over all numbers that D is shown of each row, e.g. images [N, C, H, W] -> [N].

    If a side has several parts, the gradient is with respect to all of them together. `score` returns logits of any
    shape; those of one image (patches) are summed. The result keeps its graph, so that D can be trained on it. It is at
    least float32, also under autocast, because the square of a gradient overflows in half precision.
    """
    shown = each_part(_differentiable, shown)
    with torch.autocast(parts(shown)[0].device.type, enabled=False):
        gradients = torch.autograd.grad(score(shown).sum(), parts(shown), create_graph=True)
    return _squares(gradients)


def squared_gradient_norm_of(network: nn.Module, shown: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """Returns the same as `squared_gradient_norm` of a network, in a form that can be compiled.

    torch cannot differentiate compiled code twice. Here the first derivative is part of the code (torch.func.grad), of
    which only the second is left to be taken.

    shown: the parts of a side; a part that is no floating-point number of at least 32 bits becomes float32
    """
    def total(*shown: Tensor) -> Tensor:
        return network.forward(*shown, labels).sum()

    exact = [part.detach().to(torch.promote_types(part.dtype, torch.float32)) for part in shown]
    with torch.autocast(shown[0].device.type, enabled=False):
        return _squares(torch.func.grad(total, argnums=tuple(range(len(shown))))(*exact))


def _squares(gradients: Iterable[Tensor]) -> Tensor:
    """Returns the sum of squares [N] of each row of the gradients [N, ...]."""
    return sum(gradient.square().flatten(1).sum(1) for gradient in gradients)


def _differentiable(part: Tensor) -> Tensor:
    """Returns a part as at least float32, with a gradient. The graph of fakes stays where there is one: D's penalty
    depends on G through them, which the linearised game (game/linearisation.py) needs to know."""
    exact = part.to(torch.promote_types(part.dtype, torch.float32))
    return exact if exact.requires_grad else exact.detach().requires_grad_()


def _for_each_row(numbers: Tensor, part: Tensor) -> Tensor:
    """Returns numbers [N] in a shape in which each multiplies a row of part [N, ...]."""
    return numbers.view(-1, *[1] * (part.ndim - 1))


class GradientPenalty(Trick):
    """A trick whose term of D's loss depends on ||grad_x D(x)||^2, with the input tricks as part of D."""

    computes: ClassVar[str] = "gradients"  # of D, in the lines that say what is compiled
    is_compiled = False  # whether these are computed by compiled code where D is compiled

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        name = self.name_in(recipe)
        if mixing := recipe.discriminators_that_mix_images:
            yield Problem(
                f"trick=[{name}] penalises the gradient of each image's score, and BatchNorm in the discriminator "
                "mixes the images of a batch: no image has a score of its own",
                instead={f"model.{network}.normalization": "layer" for network in mixing})
        for network, layer in recipe.comparing_layers:
            if layer.group is None:
                where = f"model.{network}.{layer.setting}"
                yield Problem(f"trick=[{name}] penalises the gradient of each image's score, and {where} mixes the "
                              "images of a batch: no image has a score of its own", instead={where: None})
        if recipe.turns.scoring == "half":
            yield Problem(
                f"trick=[{name}] adds one term to an update on real and fake images, and model.turns.scoring=half "
                "makes two updates, one on each: the term would count twice",
                instead={"model.turns.scoring": "separate"})

    def warnings(self, recipe: Recipe) -> Iterable[str]:
        for network, layer in recipe.comparing_layers:
            if layer.group:
                yield (f"trick=[{self.name_in(recipe)}] takes the gradient of the sum of all scores, and with model."
                       f"{network}.{layer.setting}={layer.group} an image is in the scores of its whole group, as in "
                       "ProGAN and StyleGAN")

    def reason_against_compiling(self, tricks: TrickStack, discriminators: Mapping[str, nn.Module]) -> str | None:
        """Returns why the gradients of these discriminators cannot be compiled; None: they can, as far as is known."""
        if changing := [name for name, _ in tricks.acting_at("discriminator_input")]:
            return (f"trick=[{','.join(changing)}] changes what the discriminator is shown, by random numbers from "
                    "outside of it")
        for name, network in discriminators.items():
            for place, layer in network.named_modules():
                if getattr(layer, "running_mean", None) is not None:
                    return (f"{type(layer).__name__} (model.{name}, {place}) updates its running statistics in each "
                            "pass, which torch.func.grad does not allow")
        return None

    def squared_norms(self, step: Step, shown: Shown, labels: Tensor) -> Tensor:
        """Returns ||grad_x D(x)||^2 of each row [n] of what D is shown, which has these labels [n]."""
        code, precision = compiled_code_of(step.discriminator), precision_of(step.discriminator)
        if code is None and precision is None:
            return squared_gradient_norm(lambda shown: step.score(shown, labels), shown)
        with switched_off(precision):  # a penalty is float32
            if code and self.is_compiled:
                try:
                    return code.call(squared_gradient_norm_of, parts(shown), labels)
                except TorchDynamoException as error:  # before anything was computed
                    code.tell(f"the gradient of {code.name} that {type(self).__name__} penalises is not compiled, as "
                              f"torch.compile cannot follow it: {first_line(error)}")
                    self.is_compiled = False
            with switched_off(code):
                return squared_gradient_norm(lambda shown: step.score(shown, labels), shown)


class _UnitGradientPenalty(GradientPenalty):
    """weight * E[(||grad_x D(x)|| - 1)^2], at the points that a subclass chooses."""

    setting: ClassVar[str]  # the trick's name in tricks.<name>

    def __init__(self, weight: Schedule | NonNegative = 10.0):
        super().__init__()
        self.weight = as_schedule(weight, f"tricks.{self.setting}.weight", low=0)

    def points(self, step: Step) -> Shown:
        """Returns the N images at which the gradient is taken; they have the labels of the reals."""
        raise TypeError(f"{type(self).__name__} does not say where the gradient is measured")

    def schedules(self) -> Mapping[str, Schedule]:
        return {"weight": self.weight}

    def discriminator_loss(self, step: DiscriminatorStep) -> Tensor:
        norms = (self.squared_norms(step, self.points(step), step.real_labels) + UNDER_ROOT).sqrt()
        return step.value(self.weight) * (norms - 1).square().mean()


class WassersteinGradientPenalty(_UnitGradientPenalty):
    """weight * E[(||grad D(e x + (1 - e) x~)|| - 1)^2], e ~ U[0, 1) one number per image.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, eq. 3. A mixed image has the label of its real image. Of
    M > N fakes every (M/N)-th is mixed, so that the pairs are the same on any number of processes.
    """

    provides = frozenset({"lipschitz"})
    setting = "wgan_gp"

    def points(self, step: Step) -> Shown:
        num_real, num_fake = len(step.real_labels), len(step.fake_labels)
        mixing = step.random.uniform("wgan_gp", (num_real,))  # the same for all parts of a pair

        def mixed(real: Tensor, fake: Tensor) -> Tensor:
            share = _for_each_row(mixing, real)
            return share * real + (1 - share) * fake[:: num_fake // num_real]
        return each_part(mixed, step.real, step.fake)


class Dragan(_UnitGradientPenalty):
    """weight * E[(||grad D(x + a u std(x) / 2)|| - 1)^2], a ~ U[0, 1) per image, u ~ U[0, 1) per pixel.

    Kodali et al. 2017, https://arxiv.org/abs/1705.07215, with the perturbation of the authors' code, except that std(x)
    is that of one image instead of the batch, so that an image's penalty does not depend on the other images.
    """

    setting = "dragan"

    def points(self, step: Step) -> Shown:
        distance = step.random.uniform("dragan/distance", (len(step.real_labels),))

        def perturbed(real: Tensor) -> Tensor:
            direction = step.random.uniform("dragan/direction", real.shape)
            spread = real.std(dim=[*range(1, real.ndim)], correction=0, keepdim=True)
            return real + _for_each_row(distance, real) * direction * spread / 2
        return each_part(perturbed, step.real)


class ZeroGradientPenalty(GradientPenalty):
    """gamma/2 * E||grad_x D(x)||^2, at the images that a subclass chooses.

    Mescheder, Geiger and Nowozin 2018, https://arxiv.org/abs/1801.04406, section 4.1. With `every` > 1 only one D step
    in `every` has the penalty, `every` times as strong (Karras et al. 2020, https://arxiv.org/abs/1912.04958, section
    3.1; their change of Adam's settings is left to optimizer.discriminator).
    """

    setting: ClassVar[str]
    side: ClassVar[str | None] = None  # at whose images the gradient is taken: real or fake; None: a subclass knows

    def __init__(self, gamma: Schedule | NonNegative = 10.0, every: Count = 1):
        super().__init__()
        self.gamma = as_schedule(gamma, f"tricks.{self.setting}.gamma", low=0)
        if every < 1:
            raise ValueError(f"tricks.{self.setting}.every={every} must be at least 1 discriminator step")
        self.every = every

    def images(self, step: Step) -> tuple[Shown, Tensor]:
        """Returns the n images at which the gradient is taken, and their labels [n]."""
        return getattr(step, self.side), getattr(step, f"{self.side}_labels")

    def schedules(self) -> Mapping[str, Schedule]:
        return {"gamma": self.gamma}

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns whether a step has the penalty."""
        return images_seen // batch_size % self.every == 0

    def discriminator_loss(self, step: DiscriminatorStep) -> Tensor | None:
        if not step.variant(self):
            return None
        return step.value(lambda images_seen: self.every * self.gamma(images_seen) / 2) * self.mean_squared_norm(step)

    def differentiates(self, step: Step) -> Iterable[str]:
        return (self.side,) if self.side and step.variant(self) and logits_serve(step, self.images(step)[0]) else ()

    def mean_squared_norm(self, step: DiscriminatorStep) -> Tensor:
        """Returns E||grad_x D(x)||^2 [], of the logits of D's loss where these were scored for it (`differentiates`),
        else of others of the same images."""
        for side in step.sides:
            if side.name == self.side and all(part.is_leaf and part.requires_grad for part in parts(side.shown)):
                gradients = torch.autograd.grad(side.logits.sum(), parts(side.shown), create_graph=True)
                return _squares(gradients).mean()
        return self.squared_norms(step, *self.images(step)).mean()


def logits_serve(step: Step, shown: Shown) -> bool:
    """Returns whether the gradient of the very logits that D's loss is of serves a penalty: D computed them in float32
    throughout, and not by compiled code, which torch cannot differentiate twice."""
    return (compiled_code_of(step.discriminator) is None and precision_of(step.discriminator) is None
            and not is_under_autocast(parts(shown)[0].device)
            and all(part.dtype in (torch.float32, torch.float64) for part in parts(shown)))


class R1(ZeroGradientPenalty):
    """gamma/2 * E||grad D(x)||^2 at real images (Mescheder et al. 2018, eq. 9)."""

    setting, side = "r1", "real"


class R2(ZeroGradientPenalty):
    """gamma/2 * E||grad D(G(z))||^2 at fakes (Mescheder et al. 2018, eq. 10)."""

    setting, side = "r2", "fake"
