"""Draws images from a trained generator: N images of C channels and H x W pixels, in [-1, 1]."""

import difflib
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from saddlepoint.config import spelling
from saddlepoint.data.standardisation import Standardisation
from saddlepoint.errors import RequestError
from saddlepoint.files.names import to_nfc
from saddlepoint.game.latents import Latents, class_labels, classes_drawn
from saddlepoint.game.mixed_labels import MixedLabels
from saddlepoint.game.modes import device_of, finished
from saddlepoint.sampling.truncation import truncate

EVERY_CLASS, ANY_CLASS = "all", "null"  # values of class= that are not names
BLOCK = 16  # images computed at once, however many are drawn, so that no image depends on how many there are


class SamplingGenerator(nn.Module):
    """A run's generator in evaluation mode, with averaged weights if the run has them. It is called on latents [N,
    size] and labels [N] as any generator, or draws them itself in `sample`.

    generator: the network.
    latents: the distribution with which it was trained.
    class_distribution: [K], the cumulative probabilities of the K classes in training; None: all labels are 0.
    class_names: of the K classes; empty if the generator ignores labels.
    dimensions: D, coordinates of the points that it makes in the place of images [N, D]; None: it makes no points.
    edge: S, voxels along each edge of the shapes that it makes in the place of images, [N, 1, S, S, S] in [0, 1];
        None: it makes no shapes.
    standardisation: of the stored latents that it makes in the place of images, which are in any numbers; None: it
        makes colours.
    """

    def __init__(self, generator: nn.Module, latents: Latents, class_distribution: Tensor | None = None,
                 class_names: Sequence[str] = (), dimensions: int | None = None, edge: int | None = None,
                 standardisation: Standardisation | None = None):
        super().__init__()
        self.generator, self.latents = finished(generator), latents
        self.dimensions, self.edge, self.standardisation = dimensions, edge, standardisation
        self.num_classes = getattr(generator, "num_classes", 0)
        named = len(class_names) == self.num_classes
        self.class_names = tuple(map(str, class_names if named else range(self.num_classes)))
        self.class_distribution = class_distribution if self.num_classes else None
        self.eval()

    def with_parts(self, generator: nn.Module, latents: Latents) -> "SamplingGenerator":
        """Returns a sampling generator of the same classes and shapes with another network and other latents."""
        return SamplingGenerator(generator, latents, self.class_distribution, self.class_names, self.dimensions,
                                 self.edge, self.standardisation)

    def truncated(self, value: float) -> "SamplingGenerator":
        """Returns the generator as `truncation=value` of sample.py has it: with styles psi * (w - mean) around their
        mean, psi = value in 0 .. 1, where the network maps latents to styles; else with normal latents of a magnitude
        of at most value, above 0. Raises a RequestError where it can be neither."""
        truncated = truncate(self.generator, self.latents, value)
        return self.with_parts(truncated.generator, truncated.latents)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """latents [N, size], labels [N] -> images [N, C, H, W] in [-1, 1]"""
        if labels is None:
            labels = self._without_labels(len(latents)).to(latents.device)
        return self.generator(latents, labels)

    def _without_labels(self, count: int) -> Tensor:
        """Returns the labels [count] for a generator without classes; raises a ValueError if it has some."""
        if self.num_classes:
            raise ValueError("This generator makes images of classes: give it labels [N], class ids from 0 to "
                             f"{self.num_classes - 1}, beside the latents")
        return torch.zeros(count, dtype=torch.long)

    @torch.no_grad()
    def sample(self, count: int, seed: int = 0, first: int = 0, labels: Tensor | int | str | None = None) -> Tensor:
        """Draws images first .. first + count - 1 of a seed, [count, C, H, W] in [-1, 1], on the CPU.

        An image's latents depend on the seed and its number only, and it is computed at a fixed place in a block of
        fixed size; so it is the same bit for bit however many are drawn. Its class is drawn as in training and in
        evaluate.py, unless `labels` is a class for all images (number or name) or the numbers of classes [count]."""
        start = first // BLOCK * BLOCK
        length = math.ceil((first + count - start) / BLOCK) * BLOCK
        if labels is None:
            labels = self.labels_of_images(seed, start, length)
        elif isinstance(labels, Tensor):
            labels = torch.nn.functional.pad(labels, (first - start, start + length - first - count))
        else:
            labels = torch.full((length,), self.label_of(labels))
        latents = self.latents.of_images(seed, start, length)
        return self.of_latents(latents, labels)[first - start:first - start + count]

    def labels_of_images(self, seed: int, first: int, count: int) -> Tensor:
        """Returns the classes [count] of images first .. first + count - 1 of a seed; all zero for a generator
        without classes."""
        return class_labels(self.class_distribution, seed, first, count)

    @torch.no_grad()
    def of_latents(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Returns the images [N, C, H, W] in [-1, 1] of latents [N, size] and labels [N], on the CPU. Computes a block
        of them at a time."""
        return self._in_blocks(self, latents) if labels is None else self._in_blocks(self, latents, labels)

    @torch.no_grad()
    def between_classes(self, latents: Tensor, start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
        """Returns images [N, C, H, W] of latents [N, size], each on the way from a class `start` [N] to a class `end`
        [N] by a `fraction` [N] in [0, 1]."""
        if torch.equal(start, end):
            return self.of_latents(latents, start)
        return self._in_blocks(lambda rows, *mixture: self(rows, MixedLabels(*mixture)), latents, start, end, fraction)

    def walk(self, latents: Tensor, steps: int = 8, labels: Tensor | int | str | None = None) -> Tensor:
        """Draws `steps` images from each of the latents [M, size] to the next, both included: [(M - 1) * steps, C, H,
        W].

        Normal latents move on the sphere (Latents.between). `labels`: a class for all images (number or name), or the
        number of a class for each of the latents [M], between which the images change as well; a generator without
        classes needs none."""
        if len(latents) < 2:
            raise ValueError(f"A walk goes from image to image, and latents of {len(latents)} were given: give "
                             "[M, size], M at least 2, e.g. generator.latents.of_images(seed=0, first=0, count=4)")
        if labels is None:
            labels = self._without_labels(len(latents))
        elif not isinstance(labels, Tensor):
            labels = torch.full((len(latents),), self.label_of(labels))
        between = [self.latents.between(*ends, steps) for ends in zip(latents, latents[1:], strict=False)]
        start, end = (each.repeat_interleave(steps) for each in (labels[:-1], labels[1:]))
        return self.between_classes(torch.cat(between), start, end, torch.linspace(0, 1, steps).repeat(len(between)))

    def _in_blocks(self, draw: Callable[..., Tensor], *rows: Tensor) -> Tensor:
        """Calls `draw` with BLOCK rows of each tensor at a time; repeats the last row to fill the last block."""
        count, device = len(rows[0]), device_of(self.generator)
        padded = [torch.cat([each, each[-1:].expand(-count % BLOCK, *each.shape[1:])]) for each in rows]
        blocks = zip(*(each.split(BLOCK) for each in padded), strict=True)
        return torch.cat([draw(*(each.to(device) for each in block)).cpu() for block in blocks])[:count]

    def require_colours(self, what: str) -> None:
        """Raises a RequestError if the generator makes points, shapes of voxels or stored latents. `what`: the sentence
        about images that then is no use, e.g. `run=RUN is inverted`."""
        if self.dimensions or self.edge or self.standardisation:
            things = "points" if self.dimensions else "shapes" if self.edge else "latents of an autoencoder"
            raise RequestError(f"{what}, and this run makes {things}: name a run of images")

    def require_classes(self, typed: str) -> None:
        """Raises a RequestError if the generator has no classes. `typed`: the setting that needs them, with its
        value."""
        if not self.num_classes:
            setting = typed.partition("=")[0]
            raise RequestError(f"{typed}: this run's generator takes no classes. Leave {setting}= out, or draw from a "
                               "run of a conditional model, e.g. one of "
                               f"{spelling.command('train', 'model=cgan')}")

    def label_of(self, name_or_number: int | str, setting: str = "class") -> int:
        """Returns the number of a class from its name, or from its number if no class has that name. Raises a
        RequestError if there is no such class. Accents may be spelt in any form of Unicode, as file systems differ."""
        name, known_names = to_nfc(str(name_or_number)), [*map(to_nfc, self.class_names)]
        self.require_classes(f"{setting}={spelling.shown(name)}")
        if name in known_names:
            return known_names.index(name)
        if name.isdecimal() and int(name) < self.num_classes:
            return int(name)
        close = difflib.get_close_matches(name, known_names, n=1) if not name.isdecimal() else []
        near = f": did you mean {typed_class(setting, close[0])}?" if close else "."
        raise RequestError(f"{setting}={spelling.shown(name)} is not a class of this run{near} Type a number from 0 to "
                           f"{self.num_classes - 1}{self._or_a_name(setting)}")

    def _or_a_name(self, setting: str, limit: int = 20) -> str:
        """Returns the names of the classes as they can be typed, for the end of a message; quoted for a shell where a
        name needs it."""
        if self.class_names == tuple(map(str, range(self.num_classes))):
            return ""
        if all(map(is_plain, self.class_names)):
            return f" or a name: {list_names(self.class_names, limit)}"
        names = [name for name in self.class_names[:limit] if spelling.of_class(setting, [name])]
        words = [spelling.of_class(setting, [name]) for name in names] if setting == "class" else [
            spelling.of_class(setting, names)]
        more = f", ... ({self.num_classes} in all)" if len(self.class_names) > limit else ""
        return f" or a name, as in {', '.join(words)}{more}" if names else ""

    @property
    def classes_learnt(self) -> list[int]:
        """Returns the classes of which the training data had images."""
        every = list(range(self.num_classes))
        return every if self.class_distribution is None else classes_drawn(self.class_distribution)

    def title_of(self, label: int) -> str:
        """Returns the title of a class, e.g. `class 3 (cat)`."""
        name = self.class_names[label]
        return f"class {label}" if name == str(label) else f"class {label} ({spelling.shown(name)})"


def is_plain(name: str) -> bool:
    return bool(spelling.PLAIN.fullmatch(name)) and name not in (EVERY_CLASS, ANY_CLASS)


def typed_class(setting: str, name: str) -> str:
    """Returns the name of a class as it can be typed, for messages of the form "did you mean"."""
    if is_plain(name):
        return name
    return (spelling.of_class(setting, [name]) if setting == "class" else None) or spelling.name(name)


def list_names(names: Sequence[str], limit: int = 20) -> str:
    """Returns the first `limit` names in one text, with the number of all if there are more."""
    rest = f", ... ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(map(spelling.shown, names[:limit])) + rest
