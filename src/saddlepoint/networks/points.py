"""Networks of points instead of images: N points of D coordinates, float32 without bounds.

Fully connected networks for mixtures in the plane and in spaces of many dimensions, and those of the Dirac-GAN.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from saddlepoint.checks import FRACTION, require, require_whole_numbers
from saddlepoint.config.rules import BelowOne, Count, Positive, integer, list_of, number, one_of, optional
from saddlepoint.networks.initialisation import normal_weights, orthogonal
from saddlepoint.networks.layers import VIRTUAL_BATCH, activation, outputs_of_each, require_normalization
from saddlepoint.networks.minibatch import Comparison, Discrimination, Group
from saddlepoint.networks.virtual_batch import VirtualBatchNorm

INITIALISATIONS = {"default": lambda network: None, "normal": normal_weights, "orthogonal": orthogonal}
NORMALIZATIONS = ("none", "batch", "layer")
Widths = Annotated[Sequence[int], list_of(integer(1))]


class Maxout(nn.Module):
    """Returns the largest of each `pieces` numbers, h_i = max_j (W_ij x + b_ij): [N, width * pieces] -> [N, width].

    Goodfellow et al. 2013, section 3, https://arxiv.org/abs/1302.4389. The linear layer before it has all the pieces.
    """

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, values: Tensor) -> Tensor:
        return values.unflatten(1, (-1, self.pieces)).amax(2)


class PointLayers(nn.Module):
    """Hidden layers of linear, [norm,] ReLU or maxout, and a linear output: [N, inputs] -> [N, outputs].

    A linear layer before a (virtual) batch norm has no bias, as the norm would take it away again.

    player: `generator` or `discriminator`, for messages
    inputs, outputs: numbers that the network reads and writes for each point
    widths: numbers in each hidden layer, 1 or more each
    negative_slope: of LeakyReLU, at least 0 and below 1; 0 is ReLU
    pieces: of each hidden unit; 1: (leaky) ReLU, 2 or more: maxout in its place
    normalization: none, batch, layer, or of generators virtual_batch, in the hidden layers
    epsilon: added to the variance, above 0
    momentum: share of a batch's statistics in the running ones, above 0 and at most 1
    initialisation: default (torch's); normal: weights N(0, 0.02^2), biases 0; orthogonal: orthogonal matrices, biases 0
    """

    comparison = Comparison()  # what the output layer is told of the other points of a batch

    def __init__(self, player: str, inputs: int, outputs: int, /, widths: Widths, negative_slope: BelowOne = 0.0,
                 pieces: Count = 1, normalization: Annotated[str, one_of(*NORMALIZATIONS, VIRTUAL_BATCH)] = "none",
                 epsilon: Positive = 1e-5, momentum: Annotated[float, number(0, 1, above=True)] = 0.1,
                 initialisation: Annotated[str, one_of(*INITIALISATIONS)] = "default"):
        super().__init__()
        model = f"model.{player}"
        whole = isinstance(widths, Sequence) and all(isinstance(width, int) and width >= 1 for width in widths)
        require(whole, f"{model}.widths", widths, "a list of whole numbers of at least 1, such as [128,128]")
        require_whole_numbers({f"{model}.pieces": pieces})
        require(0 <= negative_slope < 1, f"{model}.negative_slope", negative_slope, FRACTION)
        require(epsilon > 0, f"{model}.epsilon", epsilon, "above 0")
        require(0 < momentum <= 1, f"{model}.momentum", momentum, "above 0 and at most 1")
        require_normalization(player, normalization, NORMALIZATIONS)
        require(initialisation in INITIALISATIONS, f"{model}.initialisation", initialisation,
                "one of " + ", ".join(INITIALISATIONS))
        self.layers = nn.Sequential()
        for before, after in zip([inputs, *widths], widths, strict=False):
            linear = nn.Linear(before, after * pieces, bias=normalization not in ("batch", VIRTUAL_BATCH))
            normalized = {"none": [], "batch": [nn.BatchNorm1d(after * pieces, epsilon, momentum)],
                          VIRTUAL_BATCH: [VirtualBatchNorm(after * pieces, epsilon)],
                          "layer": [nn.LayerNorm(after * pieces, epsilon)]}[normalization]
            self.layers.append(nn.Sequential(linear, *normalized,
                                             Maxout(pieces) if pieces > 1 else activation(negative_slope)))
        comparing, features = self.comparison.layers(widths[-1] if widths else inputs)
        self.layers.append(nn.Sequential(*comparing, nn.Linear(features, outputs)))
        INITIALISATIONS[initialisation](self.layers)


class PointGenerator(PointLayers):
    """Latents -> hidden layers -> points, without an activation at the end. `more`: settings of PointLayers, from
    `widths` on.

    latent_dim: numbers in the latents of a point, 1 or more
    dimensions: D, coordinates of a point, 1 or more
    """

    def __init__(self, latent_dim: Count, dimensions: Count, **more):
        require_whole_numbers({"model.latents.size": latent_dim, "data.dimensions": dimensions})
        super().__init__("generator", latent_dim, dimensions, **more)
        self.latent_dim = latent_dim

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (ignored) -> points [N, D]"""
        return self.layers(latents)


class PointDiscriminator(PointLayers):
    """Points -> hidden layers -> one logit. `more`: settings of PointLayers, from `widths` on.

    dimensions: D, numbers that are scored together: the coordinates of a point, or of all points of a pack; 1 or more
    minibatch_discrimination: {kernels, dimensions} of minibatch.MinibatchDiscrimination; None: without
    minibatch_stddev: images in a group of minibatch.MinibatchDeviation, 2 or more; None: without
    """

    def __init__(self, dimensions: Count, minibatch_discrimination: Discrimination = None,
                 minibatch_stddev: Group = None, **more):
        require_whole_numbers({"data.dimensions": dimensions})
        self.comparison = Comparison(minibatch_discrimination, minibatch_stddev)
        super().__init__("discriminator", dimensions, 1, **more)

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        """points [N, D], labels [N] (ignored) -> logits [N]"""
        return self.layers(points).squeeze(1)

    def features(self, points: Tensor, labels: Tensor) -> list[Tensor]:
        """points [N, D], labels [N] (ignored) -> activations [N, width] of each hidden layer"""
        return outputs_of_each(self.layers[:-1], points)


class DiracGenerator(nn.Module):
    """G(z) = theta for every z: all fakes are one point, the generator of the Dirac-GAN (Mescheder et al. 2018, section
    2.1, https://arxiv.org/abs/1801.04406).

    latent_dim: numbers in the latents of a point, which are ignored, 1 or more
    dimensions: D, coordinates of theta, 1 or more
    theta: each of these at the start
    """

    def __init__(self, latent_dim: Count, dimensions: Count = 1, theta: float = 1.0):
        super().__init__()
        require_whole_numbers({"model.latents.size": latent_dim, "data.dimensions": dimensions})
        self.latent_dim = latent_dim
        self.theta = nn.Parameter(torch.full((dimensions,), float(theta)))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """latents [N, latent_dim], labels [N] (both ignored) -> points [N, D]"""
        return self.theta.expand(latents.shape[0], -1)  # len() would be a constant of an exported network


class DiracDiscriminator(nn.Module):
    """D(x) = psi . x + boundary, the discriminator of the Dirac-GAN (see DiracGenerator).

    The boundary is no weight. At it the loss is indifferent between real and fake, so that theta = 0, psi = 0 is the
    equilibrium; with another one a discriminator without a bias could not be.

    dimensions: D, coordinates of psi, 1 or more
    psi: each of these at the start
    boundary: a logit; None: that of the loss (least squares 0.5), and 0 where only differences of logits count
    """

    def __init__(self, dimensions: Count = 1, psi: float = 1.0,
                 boundary: Annotated[float | None, optional(number())] = None):
        super().__init__()
        require_whole_numbers({"data.dimensions": dimensions})
        self.psi = nn.Parameter(torch.full((dimensions,), float(psi)))
        self.follows, self.boundary = boundary is None, boundary or 0.0

    def follow_loss(self, boundary: float | None) -> None:
        """Takes the boundary of the loss, unless one was set."""
        if self.follows:
            self.boundary = boundary or 0.0

    def forward(self, points: Tensor, labels: Tensor) -> Tensor:
        """points [N, D], labels [N] (ignored) -> logits [N]"""
        return points @ self.psi + self.boundary
