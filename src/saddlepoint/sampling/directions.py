"""Moves latents along directions, and finds those along which a generator's images change most.

N images, Z numbers in the latents of an image, F numbers that a generator's first layer gives, D directions, S steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from saddlepoint.config.spelling import command
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.game.modes import device_of
from saddlepoint.game.structured_latents import StructuredLatents
from saddlepoint.sampling.compositions import Picture, class_prefix, describe_class, file_numbers
from saddlepoint.sampling.generator import SamplingGenerator

LINEAR = (nn.Linear, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def semantic_directions(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the unit vectors n that make ||A n|| stationary, a row each, [Z, Z], and ||A n||^2, [Z], largest first:
    the eigenvectors and eigenvalues of A^T A.

    SeFa: Shen and Zhou 2021, equations 4 to 6, https://arxiv.org/abs/2007.06600. A layer that turns latents z into A z
    + b turns z + alpha n into its old output plus alpha A n, whatever z is. The sign of a vector means nothing; here
    its largest number is positive.

    weights: A, [F, Z]
    """
    values, vectors = torch.linalg.eigh(weights.double().T @ weights.double())
    directions = vectors.T.flip(0)
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return (directions * largest.sign()).float(), values.flip(0).clamp(min=0).float()


@torch.no_grad()
def first_weights(generator: SamplingGenerator) -> Tensor:
    """Returns A [F, Z] of the generator's first layer that reads latents, linear or a convolution: what it computes of
    latents z, of class 0 if there are classes, is A z + b. It is read off the layer's outputs, so it makes no
    difference whether it is a matrix, a transposed convolution of one pixel, or normalises its weights.

    Raises a RequestError if there is no such layer, or if something changes the latents before.
    """
    size = generator.latents.size
    probes = torch.cat([torch.zeros(1, size), torch.eye(size), 3 * torch.randn(
        1, size, generator=torch.Generator().manual_seed(0))]).to(device_of(generator))
    outputs = _first_outputs(generator, probes)
    if outputs is None:
        raise RequestError("directions= are those of a generator's first layer, linear or a convolution, and this "
                           "run's has none that reads latents: leave directions= out")
    offset, weights, expected = outputs[0], outputs[1:-1] - outputs[0], outputs[-1]
    if not torch.allclose(probes[-1] @ weights + offset, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item()):
        raise RequestError("directions= are those of a first layer that computes A z + b of latents z, and this run's "
                           "generator changes latents before: leave directions= out")
    return weights.T.cpu()


def _first_outputs(generator: SamplingGenerator, latents: Tensor) -> Tensor | None:
    """Returns what the first layer whose output depends on the latents makes of them, [N, F]; None if none does."""
    found: list[Tensor] = []

    def look(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
        if not found and len(output) == len(latents) and not torch.equal(output, output[:1].expand_as(output)):
            found.append(output.flatten(1).float().clone())  # activations may overwrite it

    handles = [layer.register_forward_hook(look) for layer in generator.modules() if isinstance(layer, LINEAR)]
    try:
        generator(latents, torch.zeros(len(latents), dtype=torch.long, device=latents.device))
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def require_plain(latents: Latents, typed: str) -> None:
    """Raises a RequestError for latents with codes, which lose their meaning on the way. `typed`: the setting."""
    if isinstance(latents, StructuredLatents):
        raise RequestError(f"{typed} moves latents, and this run's have codes of their own: vary these, with codes=1 "
                           f"of {command('sample', 'run=RUN')}")


def along(base: Tensor, directions: Tensor, amounts: Tensor, latents: Latents) -> Tensor:
    """Returns latents [N D S, Z]: each of `base` [N, Z] moved along each of `directions` [D, Z] by each of `amounts`
    [S]. Latents that have a range stay in it."""
    moved = base[:, None, None] + amounts[:, None] * directions[None, :, None]
    points = moved.flatten(0, 2)
    return points if (limits := latents.limits()) is None else points.clamp(*limits)


def deviation(latents: Latents) -> float:
    """Returns the standard deviation of latents along a unit vector, of a mixture the mean over all axes."""
    if latents.mixture is not None:
        with torch.no_grad():
            means, scales = latents.mixture.means, latents.mixture.scales
            return (means.var(0, correction=0).mean() + scales.square().mean()).sqrt().item()
    return (latents.high - latents.low) / 12**0.5 if latents.distribution == "uniform" else 1.0


def compose_directions(generator: SamplingGenerator, numbers: Sequence[int], seed: int, count: int, steps: int,
                       limits: tuple[float, float], label: int | None) -> Picture:
    """Composes a row of `steps` images for each direction: images 0 .. count - 1 of the seed, moved by limits[0] to
    limits[1] standard deviations of latents. With several images each has a block of rows."""
    require_plain(generator.latents, "directions=")
    if max(numbers) > generator.latents.size:
        raise RequestError(f"directions= goes up to {max(numbers)}, and this run's latents have the directions 1 to "
                           f"{generator.latents.size}: type directions={generator.latents.size} for all of them")
    directions, values = semantic_directions(first_weights(generator))
    chosen = torch.tensor(numbers) - 1
    amounts = torch.linspace(*limits, steps) * deviation(generator.latents)
    points = along(generator.latents.of_images(seed, 0, count), directions[chosen], amounts, generator.latents)
    labels = generator.labels_of_images(seed, 0, count) if label is None else torch.full((count,), label)
    images = generator.of_latents(points, labels.repeat_interleave(len(numbers) * steps))
    shares = ", ".join(f"{number} ({values[number - 1] / values.sum():.1%})" for number in numbers)
    name = (f"{class_prefix(label)}directions{'-'.join(map(str, numbers))}_seed{seed}_count{count}_steps{steps}"
            f"_from{limits[0]:g}to{limits[1]:g}")
    legend = (f"rows from the top: directions, with their share of what the first layer changes, {shares}; columns "
              f"from the left: from {limits[0]:g} to {limits[1]:g} standard deviations")
    return Picture(name, images, steps, file_numbers(len(images)), describe_class(generator, label), legend)
