"""Virtual batch normalisation: a generator whose images do not depend on the other images of their batch.

Salimans et al. 2016, section 3.5, https://arxiv.org/abs/1606.03498. Each image is normalised by the statistics of a
fixed reference batch and of itself. n images of the reference batch, N others, C maps or features.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

REFERENCE = "reference_batch"  # the part of a generator that holds it


class VirtualBatchNorm(nn.Module):
    """(x - mean) / sqrt(variance + epsilon), times a learned scale and plus a learned shift of each map.

    Mean and mean square of an image's values are 1/(n + 1) times its own and n/(n + 1) times those of the reference
    batch, which is normalised by its own alone. A generator is called on the reference batch and then on its own rows
    at once (ReferenceBatch), or on its own alone, while the statistics of the reference batch are kept.

    features: C, 1 or more
    epsilon: added to the variance, above 0
    affine: learns scale and shift
    """

    def __init__(self, features: int, epsilon: float = 1e-5, affine: bool = True):
        super().__init__()
        self.epsilon = epsilon
        self.count = 0  # n, the first rows of a batch; ReferenceBatch sets it
        self.is_measuring = False  # keeps the statistics of the next reference batch
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None
        for name in ("mean", "variance"):  # [1, C] of the reference batch, while they are kept
            self.register_buffer(name, None, persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """values [n + N, C, ...], or [N, C, ...] while statistics are kept -> the same shape"""
        exact = values.to(torch.promote_types(values.dtype, torch.float32))
        if self.mean is not None:
            normalised = self._with_own(exact, self.mean, self.variance)
        else:
            if not self.count:
                raise RuntimeError("normalization=virtual_batch has no reference batch here: only model.generator is "
                                   "given one, of a game that makes images from noise")
            reference, own = exact[:self.count], exact[self.count:]
            axes = [0, *range(2, values.ndim)]
            mean, variance = reference.mean(axes)[None], reference.var(axes, correction=0)[None]
            normalised = self._normalised(reference, mean, variance)
            if self.is_measuring:  # there are no other rows
                self.mean, self.variance = mean.detach(), variance.detach()
            else:
                normalised = torch.cat([normalised, self._with_own(own, mean, variance)])
        if self.weight is not None:
            normalised = normalised * _of_maps(self.weight[None], values) + _of_maps(self.bias[None], values)
        return normalised.to(values.dtype)

    def _with_own(self, values: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """Normalises each of values [N, C, ...] by its own statistics and those of the reference batch [1, C]."""
        share = 1 / (self.count + 1)
        own = values.flatten(2) if values.ndim > 2 else values[:, :, None]
        own_mean, own_variance = own.mean(2), own.var(2, correction=0)
        # the same as the mean square less the squared mean, which would lose digits
        apart = share * (1 - share) * (own_mean - mean).square()
        return self._normalised(values, torch.lerp(mean, own_mean, share),
                                torch.lerp(variance, own_variance, share) + apart)

    def _normalised(self, values: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return (values - _of_maps(mean, values)) * _of_maps((variance + self.epsilon).rsqrt(), values)


def _of_maps(numbers: Tensor, values: Tensor) -> Tensor:
    """Returns numbers [N or 1, C] in a shape in which they act on values [N, C, ...]."""
    return numbers.view(*numbers.shape, *[1] * (values.ndim - 2))


class ReferenceBatch(nn.Module):
    """The latents [n, latent_dim] and labels [n] of a generator's reference batch, which never change.

    It puts them before the rows on which the generator is called and takes their images away, so that one pass of the
    generator serves both. While nothing is trained (`keep`) the reference batch is computed once, and its statistics
    are kept. Buffers are saved, so a run that goes on, and all who draw, have the same reference batch.
    """

    def __init__(self, layers: Sequence[VirtualBatchNorm], latents: Tensor, labels: Tensor):
        super().__init__()
        self.layers = tuple(layers)  # a tuple, as they are parts of the generator already
        self.keeps = False
        self.register_buffer("latents", latents)
        self.register_buffer("labels", labels)
        self._count()

    @property
    def size(self) -> int:
        """n, images of the reference batch."""
        return len(self.labels)

    def _count(self) -> None:
        for layer in self.layers:
            layer.count = self.size

    def keep(self, active: bool) -> None:
        """Keeps the statistics of the reference batch from the next call on, or forgets them, as weights will change.
        """
        if active != self.keeps:
            self.keeps = active
            for layer in self.layers:
                layer.mean = layer.variance = None

    def before(self, generator: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """A hook: returns the rows on which the generator is called instead."""
        latents, labels = inputs
        if not self.keeps:
            return torch.cat([self.latents.to(latents), latents]), torch.cat([self.labels, labels])
        if self.layers[0].mean is None:
            self._measure(generator, latents.dtype)
        return inputs

    def after(self, generator: nn.Module, inputs: tuple[Tensor, ...], images: Tensor) -> Tensor:
        """A hook: returns the images without those of the reference batch."""
        return images if self.keeps else images[self.size:]

    @torch.no_grad()
    def _measure(self, generator: nn.Module, dtype: torch.dtype) -> None:
        """Computes the statistics of the reference batch, without any other images."""
        for layer in self.layers:
            layer.is_measuring = True
        generator.forward(self.latents.to(dtype), self.labels)
        for layer in self.layers:
            layer.is_measuring = False

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *more: Any) -> None:
        """Takes the size of a saved reference batch, which need not be that of today's batches."""
        for name in ("latents", "labels"):
            if f"{prefix}{name}" in state:
                setattr(self, name, getattr(self, name).new_empty(state[f"{prefix}{name}"].shape))
        super()._load_from_state_dict(state, prefix, *more)
        self._count()


def reference_of(generator: nn.Module) -> ReferenceBatch | None:
    """Returns the reference batch of a generator; None where it needs none."""
    return getattr(generator, REFERENCE, None)


def needs_reference(generator: nn.Module) -> bool:
    """Returns whether a generator normalises by a reference batch."""
    return any(isinstance(layer, VirtualBatchNorm) for layer in generator.modules())


def give_reference(generator: nn.Module, latents: Tensor, labels: Tensor) -> None:
    """Gives a generator with VirtualBatchNorm its reference batch, latents [n, latent_dim] and labels [n], or another
    one in its place; one without needs none."""
    layers = [layer for layer in generator.modules() if isinstance(layer, VirtualBatchNorm)]
    if (reference := reference_of(generator)) is not None:
        reference.latents.copy_(latents)
        reference.labels.copy_(labels)
    elif layers:
        device = next(generator.parameters()).device
        reference = ReferenceBatch(layers, latents.to(device), labels.to(device))
        generator.add_module(REFERENCE, reference)
        generator.register_forward_pre_hook(reference.before)
        generator.register_forward_hook(reference.after)
