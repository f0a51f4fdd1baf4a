"""What train_classifier.py does: from the images of a data set with classes to a file for extractor=classifier.

N images of C channels and S x S pixels, K classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor
from tqdm import tqdm

from saddlepoint import build
from saddlepoint.config import spelling
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.data.images import ImageDataModule
from saddlepoint.data.memory import InMemoryImages
from saddlepoint.data.pixels import mirrored, to_unit_range
from saddlepoint.data.sampling import EndlessOrder
from saddlepoint.environment import versions
from saddlepoint.errors import Diverged, RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.game.random_streams import seed_of
from saddlepoint.metrics.extractors.classifier import DIGITS_FILE, LoadedClassifier, refuse_reserved
from saddlepoint.metrics.extractors.classifier_files import Card, card_file, check_name, write
from saddlepoint.metrics.extractors.classifier_network import SIZES, ClassifierNetwork, seeded_network
from saddlepoint.metrics.extractors.preparing import COLOURS

BLOCK = 500  # images at once, when accuracy is measured


class Examples(NamedTuple):
    images: Tensor  # [N, C, S, S] uint8
    labels: Tensor  # [N] int64


@dataclass(frozen=True)
class Course:
    """How the network learns: `images` in all, in batches, in an order and with distortions that `seed` fixes."""

    images: int
    batch_size: int
    lr: float  # at its height: it rises over the first 30 % of the images and falls to nothing
    augment: bool
    horizontal_flip: bool
    seed: int

    def generator(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, 0, f"classifier/{purpose}"))


def train(settings: Mapping[str, Any], command: str) -> Path:
    """Trains, measures, writes the weights and the card, and says where they are. -> the file of weights"""
    name = settings["name"] or settings["data"]["name"]
    output = expanded(settings["output"] or f"{name}.safetensors", "output")
    check_request(settings, name, output)
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    data = opened(settings)
    print(*data.described(), sep="\n")
    training, held_out, kept = split(data, settings["seed"])
    course = Course(settings["budget"]["images"], data.batch_size, settings["lr"], settings["augment"],
                    settings["data"]["horizontal_flip"], settings["seed"])
    network = fit(training, data.num_classes, course)
    card = Card(
        name=name, channels=data.channels, image_size=data.image_size, padded_from=padded_from(data),
        class_names=data.class_names, data=data.name, training_images=len(training.images), held_out=kept,
        held_out_images=len(held_out.images), accuracy=0.0, command=command, versions=versions(),
        note=f"Trained on training images of data={data.name}: GANs that learn from these, and the real images they "
             "are compared with, share them with this classifier.")
    calibrate(LoadedClassifier(card, network, digest=""), held_out)
    card = replace(card, accuracy=accuracy(LoadedClassifier(card, network, digest=""), held_out))
    write(output, card, network)
    print(f"{len(training.images):,} training images, {card.accuracy:.2%} of {card.held_out_images:,} held-out images "
          f"right ({kept})\n{output}: type {spelling.line(['extractor=classifier', f'extractor.weights={output}'])}")
    return output


def check_request(settings: Mapping[str, Any], name: str, output: Path) -> None:
    """What can be refused before an image is read."""
    data = settings["data"]
    try:
        check_name(name)
    except ValueError as error:
        raise RequestError(str(error)) from error
    if output.resolve() != DIGITS_FILE:  # the one place where a reserved name belongs
        refuse_reserved(name, "The classifier")
    if output.suffix != ".safetensors":
        raise RequestError(f"output={output} must be a .safetensors file: type output={output}.safetensors")
    if not settings["overwrite"] and (there := next((p for p in (output, card_file(output)) if is_taken(p)), None)):
        raise RequestError(f"{there} exists: choose another file with output=, or add overwrite=true")
    for path in (output, card_file(output)):
        require_writable(path, f"output={output}")
    if not data["num_classes"]:
        raise RequestError("data.num_classes=0, and a classifier needs classes: type data.num_classes=K for data with "
                           "K classes, e.g. data.num_classes=10")
    if data["channels"] not in COLOURS or data["image_size"] not in SIZES:
        raise RequestError(f"data.channels={data['channels']} data.image_size={data['image_size']} must be 1 or 3 "
                           f"channels and {SIZES.start} to {SIZES.stop - 1} pixels: type, for example, "
                           "data.channels=3 data.image_size=32")


# Data.


def opened(settings: Mapping[str, Any]) -> ImageDataModule:
    """Flips are left to the augmentation."""
    data = build.data({"data": settings["data"] | {"horizontal_flip": False}})
    data.prepare_data()
    data.setup("fit")
    return data


def split(data: ImageDataModule, seed: int) -> tuple[Examples, Examples, str]:
    """-> training images, held-out images, and which these are: the set's test images, or a fifth of the others"""
    everything = examples(data.evaluation_images("train"))
    if has_test_images(data):
        return everything, examples(data.evaluation_images("test")), f"the test images of data={data.name}"
    held_out = torch.zeros(len(everything.labels), dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed_of(seed, 0, "classifier/held out"))
    for label in range(data.num_classes):
        members = (everything.labels == label).nonzero().flatten()
        held_out[members[torch.randperm(len(members), generator=generator)][:len(members) // 5]] = True
    if not held_out.any():
        raise RequestError(f"data={data.name} has {len(held_out)} images in {data.num_classes} classes, too few to "
                           "hold a fifth of each class out: some class must have 5 images")
    learned, kept = (Examples(*(each[chosen] for each in everything)) for chosen in (~held_out, held_out))
    return learned, kept, f"a fifth of each class of the training images of data={data.name}, drawn with seed={seed}"


def has_test_images(data: ImageDataModule) -> bool:
    return "test" in data.splits if isinstance(data, InMemoryImages) else bool(data.files("test"))


def examples(still: EvaluationImages) -> Examples:
    """All of them, as D sees them."""
    blocks = [still.block(range(at, min(at + BLOCK, len(still)))) for at in range(0, len(still), BLOCK)]
    unreadable = {path: why for block in blocks for path, why in block.unreadable.items()}
    if unreadable:
        path, why = next(iter(unreadable.items()))
        raise RequestError(f"{len(unreadable)} image files of data={still.name} cannot be read, the first is {path} "
                           f"({why}): mend or remove them")
    return Examples(torch.cat([block.images for block in blocks]), still.labels)


def padded_from(data: ImageDataModule) -> int | None:
    size = data.images().shape[-1] if isinstance(data, InMemoryImages) else data.image_size
    return size if size < data.image_size else None


# Learning.


def fit(examples: Examples, num_classes: int, course: Course) -> ClassifierNetwork:
    """AdamW on a one-cycle learning rate (Smith and Topin 2018, https://arxiv.org/abs/1708.07120) and smoothed labels
    (Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567). The weights are rounded to float16 at the end,
    as they are stored."""
    network = seeded_network(examples.images.shape[1], num_classes, course.seed)
    order, distortions = EndlessOrder(len(examples.images), course.seed), course.generator("distortions")
    steps = math.ceil(course.images / course.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), course.lr, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, course.lr, total_steps=steps)
    for step in tqdm(range(steps), unit="step", disable=None):
        chosen = order.images(range(step * course.batch_size, (step + 1) * course.batch_size))
        images = to_unit_range(examples.images.index_select(0, chosen))
        if course.augment:
            images = distorted(images, distortions)
        if course.horizontal_flip:
            images = mirrored(images, torch.rand(len(images), generator=distortions) < 0.5)
        _, logits = network(images)
        loss = functional.cross_entropy(logits, examples.labels[chosen], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise Diverged(f"The weights stopped being finite: type a lower learning rate than lr={course.lr:g}")
    return network.half().float()


def calibrate(classifier: LoadedClassifier, held_out: Examples) -> None:
    """Logits of the network are scaled by one number, so that its probabilities are those of being right (Guo et al.
    2017, section 4.2, https://arxiv.org/abs/1706.04599): smoothed labels had made them modest, and the Inception Score
    of real images low. Neither features nor accuracy change."""
    logits = torch.cat([classifier(images).logits for images in held_out.images.split(BLOCK)])
    layer = classifier.network.classes
    layer.load_state_dict({name: tensor * sharpness(logits, held_out.labels)
                           for name, tensor in layer.state_dict().items()})
    classifier.network.half().float()


def sharpness(logits: Tensor, labels: Tensor) -> float:
    """logits [N, K], labels [N] -> the factor from 0.01 to 100 at which the likelihood of the labels is largest: where
    the mean logit under the probabilities reaches that of the labels, which it does from below, once"""
    exact, low, high = logits.double(), 0.01, 100.0
    of_labels = exact.gather(1, labels[:, None]).mean()
    for _ in range(60):
        middle = math.sqrt(low * high)
        expected = ((middle * exact).softmax(1) * exact).sum(1).mean()
        low, high = (middle, high) if expected < of_labels else (low, middle)
    return low


def distorted(images: Tensor, generator: torch.Generator) -> Tensor:
    """[N, C, S, S], each turned by up to 15 degrees, sheared by up to 0.2, its sides scaled by 0.85 to 1.15, moved by
    up to S/12 pixels and bent by up to about S/25 (Simard et al. 2003, https://doi.org/10.1109/ICDAR.2003.1227801).
    What comes in from outside repeats the border."""
    angle, shear, *scales, right, down = (torch.rand(6, len(images), generator=generator) * 2 - 1).unbind()
    angle, shear, scales = angle * math.radians(15), shear * 0.2, [1 + 0.15 * scale for scale in scales]
    matrices = torch.stack([
        scales[0] * angle.cos(), scales[1] * (shear - angle.sin()), right / 6,
        scales[0] * angle.sin(), scales[1] * angle.cos(), down / 6], dim=1).view(-1, 2, 3)
    places = functional.affine_grid(matrices, list(images.shape), align_corners=False)  # [N, S, S, 2] in [-1, 1]
    corners = (torch.rand(len(images), 2, 5, 5, generator=generator) * 2 - 1) * 0.08  # of a coarse net over the image
    bends = functional.interpolate(corners, size=images.shape[-2:], mode="bicubic", align_corners=True)
    return functional.grid_sample(images, places + bends.movedim(1, -1), padding_mode="border", align_corners=False)


def accuracy(classifier: LoadedClassifier, examples: Examples) -> float:
    right = sum(int((classifier(images).logits.argmax(1) == labels).sum())
                for images, labels in zip(*(each.split(BLOCK) for each in examples), strict=True))
    return right / len(examples.labels)
