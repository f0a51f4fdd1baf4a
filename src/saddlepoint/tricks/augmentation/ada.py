"""The augmentation pipeline of ADA: pixel blitting, geometry, colour, filtering and corruption."""

import math
from collections.abc import Iterable, Iterator
from functools import reduce

import torch
from torch import Tensor

from saddlepoint.config.rules import NonNegative, Probability
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.tricks.augmentation import colour, geometry
from saddlepoint.tricks.augmentation.corruption import cut_out
from saddlepoint.tricks.augmentation.filtering import POWERS, BandFilter
from saddlepoint.tricks.augmentation.policy import Draws, Policy, chosen, refuse_outside

BLITS = ("x_flip", "quarter_turn", "shift")
WARPS = ("scale", "rotation", "stretch", "fractional_shift")
COLOURS = ("brightness", "contrast", "luma_flip", "hue", "saturation")
BANDS = tuple(f"filtering_{band}" for band in range(len(POWERS)))
QUARTER = 0.5  # of rotation_size: an angle of up to 90 degrees to both sides


class ADA(Policy):
    """The pipeline of Karras et al. 2020, appendix B, https://arxiv.org/abs/2006.06676, in its order.

    Each transformation hits an image with its multiplier (0 to 1; 0: never) times the probability of the trick. The
    strengths are the paper's, which has all multipliers 1 ("bgcfnc" in the authors' code; "bgc" is the default here:
    blitting, geometry, colour). A flip and a turn may also be the one by nothing.

    x_flip: mirrors every second image of those it hits, left to right
    quarter_turn: turns by 0, 90, 180 or 270 degrees
    shift: by whole pixels, uniform up to shift_size of a side to both sides, 0 to 1
    scale: s = exp(scale_size ln 2 N(0, 1)), scale_size 0 or more
    rotation: before and after `stretch` (together as often as it says), uniform up to rotation_size half turns
    stretch: s as wide and 1/s as high, s as for `scale`, with stretch_size
    fractional_shift: by N(0, 1) fractional_shift_size of a side
    brightness: adds brightness_size N(0, 1), pixels being in [-1, 1]
    contrast: multiplies by exp(contrast_size ln 2 N(0, 1))
    luma_flip: mirrors the brightness of every second image of those it hits
    hue: turns colours, uniform up to hue_size half turns
    saturation: multiplies what is not grey by exp(saturation_size ln 2 N(0, 1))
    filtering: multiplies each of four bands of frequency by exp(filtering_size ln 2 N(0, 1)), at the same power
    noise: adds noise with standard deviation |noise_size N(0, 1)|
    cutout: covers a rectangle of cutout_size of each side, 0 to 1
    supersampled: False looks up in the image itself, without the filters that keep fine detail: cheaper

    Where only pixel blitting hits an image its pixels are moved, not computed. All other geometry is one resampling,
    with the matrix of all of it. Images are mirrored at their borders. `stretch` of non-square images, and quarter
    turns of them, keep the frame.
    """

    def __init__(self, x_flip: Probability = 1.0, quarter_turn: Probability = 1.0, shift: Probability = 1.0,
                 scale: Probability = 1.0, rotation: Probability = 1.0, stretch: Probability = 1.0,
                 fractional_shift: Probability = 1.0, brightness: Probability = 1.0, contrast: Probability = 1.0,
                 luma_flip: Probability = 1.0, hue: Probability = 1.0, saturation: Probability = 1.0,
                 filtering: Probability = 0.0, noise: Probability = 0.0, cutout: Probability = 0.0,
                 shift_size: Probability = 0.125, scale_size: NonNegative = 0.2, rotation_size: Probability = 1.0,
                 stretch_size: NonNegative = 0.2, fractional_shift_size: NonNegative = 0.125,
                 brightness_size: NonNegative = 0.2, contrast_size: NonNegative = 0.5, hue_size: Probability = 1.0,
                 saturation_size: NonNegative = 1.0, filtering_size: NonNegative = 1.0, noise_size: NonNegative = 0.1,
                 cutout_size: Probability = 0.5, supersampled: bool = True):
        super().__init__()
        self.multipliers = {"x_flip": x_flip, "quarter_turn": quarter_turn, "shift": shift, "scale": scale,
                            "rotation": rotation, "stretch": stretch, "fractional_shift": fractional_shift,
                            "brightness": brightness, "contrast": contrast, "luma_flip": luma_flip, "hue": hue,
                            "saturation": saturation, "filtering": filtering, "noise": noise, "cutout": cutout}
        in_units = {"shift_size": shift_size, "rotation_size": rotation_size, "hue_size": hue_size,
                    "cutout_size": cutout_size}
        unbounded = {"scale_size": scale_size, "stretch_size": stretch_size, "brightness_size": brightness_size,
                     "fractional_shift_size": fractional_shift_size, "contrast_size": contrast_size,
                     "saturation_size": saturation_size, "filtering_size": filtering_size, "noise_size": noise_size}
        refuse_outside("tricks.augment.policy", 0, 1, **self.multipliers, **in_units)
        refuse_outside("tricks.augment.policy", 0, math.inf, **unbounded)
        self.sizes = {name.removesuffix("_size"): size for name, size in (in_units | unbounded).items()}
        if self.uses(*WARPS):
            self.resampling = geometry.Resampling(supersampled)
        if self.uses("filtering"):
            self.band_filter = BandFilter()
            self.register_buffer("powers", torch.tensor(POWERS), persistent=False)
        self.register_buffer("quarter_cosines", torch.tensor([1.0, 0.0, -1.0, 0.0]), persistent=False)

    def uses(self, *names: str) -> bool:
        return any(self.multipliers[name] for name in names)

    @property
    def channels(self) -> tuple[int, ...] | None:
        return (1, 3) if self.uses(*COLOURS) else None

    def reorienting(self) -> Iterator[str]:
        yield from (name for name in ("x_flip", "quarter_turn") if self.uses(name))
        if self.uses("rotation") and self.sizes["rotation"] > QUARTER / 2:
            yield "rotation"

    def augmented(self, images: Tensor, probability: float | Tensor, random: RandomStreams, purpose: str) -> Tensor:
        chances = (*self.multipliers, "second_rotation", *BANDS)
        shares = ("x_flip", "quarter_turn", "shift_x", "shift_y", "rotation", "second_rotation", "luma_flip", "hue",
                  "cutout_x", "cutout_y")
        normals = ("scale", "stretch", "fractional_shift_x", "fractional_shift_y", "brightness", "contrast",
                   "saturation", *BANDS, "noise")
        draws = Draws(random, purpose, images, probability, chances, shares, normals)
        for names, change in ((BLITS + WARPS, self.moved), (COLOURS, self.recoloured), (("filtering",), self.filtered),
                              (("noise",), self.noisy), (("cutout",), self.covered)):
            if self.uses(*names):
                images = change(images, draws)
        return images

    def hits(self, name: str, draws: Draws) -> Tensor:
        return draws.happens(name, self.multipliers[name])

    def power_of_two(self, name: str, draws: Draws) -> Tensor:
        """Returns factors exp(size ln 2 N(0, 1)) [N]; 1 where the transformation does not hit."""
        return torch.where(self.hits(name, draws), torch.exp2(self.sizes[name] * draws.normal(name)), 1.0)

    def angle(self, name: str, draws: Draws, hit: Tensor, size: str) -> Tensor:
        """Returns angles [N] in radians, uniform up to the size in half turns to both sides; 0 where nothing hits."""
        return torch.where(hit, self.sizes[size] * math.pi * (2 * draws.share(name) - 1), 0.0)

    def moved(self, images: Tensor, draws: Draws) -> Tensor:
        """Blits and warps. Matrices lead from a new image to the old one, so the first step stands on the left."""
        matrix = torch.eye(3, dtype=images.dtype, device=images.device).expand(len(images), 3, 3)
        result = images
        if self.uses(*BLITS):
            for step in self.blits(draws, images):
                matrix = matrix @ step
            hit = union(self.hits(name, draws) for name in BLITS if self.uses(name))
            result = chosen(hit, geometry.moved_exactly(images, matrix), images)
        if self.uses(*WARPS):
            for step in self.warps(draws, images):
                matrix = matrix @ step
            hit = union([*(self.hits(name, draws) for name in WARPS if self.uses(name) and name != "rotation"),
                         *(self.rotates(draws) if self.uses("rotation") else ())])
            result = chosen(hit, self.resampling(images, matrix), result)
        return result

    def blits(self, draws: Draws, images: Tensor) -> Iterator[Tensor]:
        """Yields the matrices [N, 3, 3] of the transformations that only move pixels."""
        if self.uses("x_flip"):
            mirrored = self.hits("x_flip", draws) & (draws.share("x_flip") < 0.5)
            sign = 1 - 2 * mirrored.to(images.dtype)
            yield geometry.scaled(sign, torch.ones_like(sign))
        if self.uses("quarter_turn"):
            turns = (draws.share("quarter_turn") * 4).floor() * self.hits("quarter_turn", draws)
            cosines = self.quarter_cosines.to(images.dtype)
            turns = turns.long()
            yield geometry.turned(cosines[turns], cosines[(turns + 3) % 4])
        if self.uses("shift"):
            hit, (height, width) = self.hits("shift", draws), images.shape[2:]
            x, y = (torch.where(hit, (self.sizes["shift"] * size * (2 * draws.share(f"shift_{axis}") - 1)).round(), 0.0)
                    for axis, size in (("x", width), ("y", height)))
            yield geometry.shifted(x, y)

    def rotates(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Returns whether images are turned [N] before and after they are stretched: one of both, or both, with the
        probability of a rotation."""
        once = 1 - (1 - self.multipliers["rotation"] * draws.probability).sqrt()
        return draws.chances["rotation"] < once, draws.chances["second_rotation"] < once

    def warps(self, draws: Draws, images: Tensor) -> Iterator[Tensor]:
        """Yields the matrices [N, 3, 3] of the transformations that need a resampling."""
        def rotation(name: str, hit: Tensor) -> Tensor:
            angle = self.angle(name, draws, hit, "rotation")
            return geometry.turned(angle.cos(), angle.sin())

        before, after = self.rotates(draws) if self.uses("rotation") else (None, None)
        if self.uses("scale"):
            factor = self.power_of_two("scale", draws)
            yield geometry.scaled(factor, factor)
        if self.uses("rotation"):
            yield rotation("rotation", before)
        if self.uses("stretch"):
            factor = self.power_of_two("stretch", draws)
            yield geometry.scaled(factor, 1 / factor)
        if self.uses("rotation"):
            yield rotation("second_rotation", after)
        if self.uses("fractional_shift"):
            hit, (height, width) = self.hits("fractional_shift", draws), images.shape[2:]
            x, y = (torch.where(hit, self.sizes["fractional_shift"] * size * draws.normal(f"fractional_shift_{axis}"),
                                0.0) for axis, size in (("x", width), ("y", height)))
            yield geometry.shifted(x, y)

    def recoloured(self, images: Tensor, draws: Draws) -> Tensor:
        matrix = torch.eye(4, dtype=images.dtype, device=images.device).expand(len(images), 4, 4)
        for step in self.recolourings(draws, images.dtype):
            matrix = step @ matrix
        hit = union(self.hits(name, draws) for name in COLOURS if self.uses(name))
        return chosen(hit, colour.recoloured(images, matrix), images)

    def recolourings(self, draws: Draws, dtype: torch.dtype) -> Iterator[Tensor]:
        """Yields the matrices [N, 4, 4] of the changes of colour, in order."""
        if self.uses("brightness"):
            hit = self.hits("brightness", draws)
            yield colour.brighter(torch.where(hit, self.sizes["brightness"] * draws.normal("brightness"), 0.0))
        if self.uses("contrast"):
            yield colour.contrasted(self.power_of_two("contrast", draws))
        if self.uses("luma_flip"):
            mirrored = self.hits("luma_flip", draws) & (draws.share("luma_flip") < 0.5)
            sign = 1 - 2 * mirrored.to(dtype)
            yield colour.along_luma(sign, torch.ones_like(sign))
        if self.uses("hue"):
            yield colour.hue_turned(self.angle("hue", draws, self.hits("hue", draws), "hue"))
        if self.uses("saturation"):
            factor = self.power_of_two("saturation", draws)
            yield colour.along_luma(torch.ones_like(factor), factor)

    def filtered(self, images: Tensor, draws: Draws) -> Tensor:
        """Each band is amplified on its own, and the others then lose what it gains in power."""
        hits = [draws.happens(band, self.multipliers["filtering"]) for band in BANDS]
        factors = torch.ones(len(images), len(BANDS), dtype=images.dtype, device=images.device)
        powers = self.powers.to(images.dtype)
        for number, (band, hit) in enumerate(zip(BANDS, hits, strict=True)):
            amplified = torch.where(hit, torch.exp2(self.sizes["filtering"] * draws.normal(band)), 1.0)
            only = torch.ones_like(factors)
            only[:, number] = amplified
            factors = factors * only / (only.square() @ powers).sqrt().unsqueeze(1)
        return chosen(union(hits), self.band_filter(images, factors), images)

    def noisy(self, images: Tensor, draws: Draws) -> Tensor:
        deviation = (self.sizes["noise"] * draws.normal("noise").abs()).view(-1, 1, 1, 1)
        return chosen(self.hits("noise", draws), images + deviation * draws.noise(), images)

    def covered(self, images: Tensor, draws: Draws) -> Tensor:
        height, width = images.shape[2:]
        size = self.sizes["cutout"]
        cut = cut_out(images, draws.share("cutout_x") * width, draws.share("cutout_y") * height, size * width,
                      size * height)
        return chosen(self.hits("cutout", draws), cut, images)


def union(hits: Iterable[Tensor]) -> Tensor:
    """Returns which images [N] at least one transformation hits."""
    return reduce(torch.logical_or, hits)
