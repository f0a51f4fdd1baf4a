"""How often to look at a run: so many times over its budget, or fewer where looking would be a large part of its
arithmetic.

Multiplications and additions are counted, not timed, so a run is looked at after the same images on every machine. A
small network is trained on thousands of images in the time in which an extractor sees some. What was found at the start
is kept when the run goes on, with a larger budget as well.
"""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from saddlepoint.config import rules
from saddlepoint.game.modes import device_of, evaluating
from saddlepoint.game.recipe import packed
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.parallel.first import is_first
from saddlepoint.training.callbacks.every import AUTO, Every

# What networks of other people may raise when they are called with zeros to be counted.
NOT_COUNTED = (TypeError, ValueError, AttributeError, LookupError, AssertionError, RuntimeError, StopIteration)
FEWEST = 10  # one look in so many is made in any case
BESIDE = 2e9  # what a look takes beside arithmetic, for files and calls, as so many additions and multiplications
Pace = Annotated[int | str | None, rules.optional(rules.either(rules.integer(1), rules.one_of(AUTO)))]


def set_pace(moments: Every, setting: str, module: nn.Module, looks: int, share: float | None = None,
             arithmetic_of_a_look: Callable[[], float] | None = None) -> None:
    """Puts a number of images in the place of `every_images=auto`: with it there are so many `looks` over the budget,
    or fewer, so that they have at most `share` of the arithmetic of training, but a tenth of them in any case.

    In a game that cannot be counted there are all of them. `setting` is the callback's, for the line that says it.
    """
    if moments.every_images != AUTO:
        return
    number = looks
    if share:
        try:
            training, look = arithmetic_of_training(module), arithmetic_of_a_look() + BESIDE
            number = max(min(int(share * module.budget_images * training / look), looks), looks // FEWEST, 1)
        except NOT_COUNTED:  # what only looks must not end the run
            pass
    moments.every_images = max(module.budget_images // number, 1)
    if number < looks and is_first():
        tqdm.write(f"{setting} looks every {moments.every_images:,} images, {number} of {looks} times, so that looking "
                   f"stays cheap ({setting}.every_images=auto)", file=sys.stderr)


def arithmetic_of_training(module: SynthesisModule) -> float:
    """Returns about how many additions and multiplications training takes for each real image.

    A backward pass takes twice as many as a forward pass, or once as many where it stops at the images. So D's update
    takes a forward pass of G's networks, and three times as many for D's networks on reals and as many on fakes; G's
    takes three times as many for its networks and twice as many for D's.
    """
    share, pack = module.turns.generator_steps / module.turns.discriminator_steps, module.tricks.images_of_a_pack
    factors = {"generator": 1 + 3 * share, "discriminator": (6 + 2 * share) / pack}
    networks, shape = module.networks, generated(module).shape[1:]
    inputs = type(module).example_inputs(SimpleNamespace(latents=module.latents, image_shape=shape,
                                                         shown_shape=packed(shape, pack), networks=networks))
    players = {id(part): player for player in factors for part in getattr(module, player).modules()}
    return sum(factors[players[id(network)]] * arithmetic(network, *inputs[name]) for name, network in networks.items()
               if name in inputs)  # learned latents multiply next to nothing


def arithmetic(network: nn.Module, *inputs: Tensor) -> float:
    """Returns how many additions and multiplications a network takes for each row of inputs of this shape."""
    device = device_of(network)
    given = [torch.zeros(each.shape, dtype=each.dtype, device=device) for each in inputs]
    with torch.no_grad(), evaluating(network), FlopCounterMode(display=False) as counted:
        network(*given)
    return counted.get_total_flops() / len(inputs[0])


def generated(module: SynthesisModule) -> Tensor:
    """Returns two images of the generator, for their shape."""
    latents = torch.zeros(2, module.latents.size, device=module.device)
    with torch.no_grad(), evaluating(module.networks["generator"]) as generator:
        return generator(latents, torch.zeros(2, dtype=torch.long, device=module.device))


def arithmetic_of_drawing(module: SynthesisModule) -> float:
    """Returns how many additions and multiplications the generator takes for each image."""
    labels = torch.zeros(2, dtype=torch.long)
    return arithmetic(module.networks["generator"], torch.zeros(2, module.latents.size), labels)
