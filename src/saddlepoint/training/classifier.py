"""Trains a classifier on a data set with classes and writes the file for extractor=classifier, for train_classifier.py.

N images of C channels and S x S pixels, K classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from saddlepoint.training.extra_images import Examples, oversampled, with_extra

NO_IMAGES = {"dimensions": "points", "edge": "voxels"}  # a setting of the data -> what they are
BLOCK = 500  # images in one batch when accuracy is measured


@dataclass(frozen=True)
class TrainingPlan:
    """The way in which a network is trained. `seed` fixes the order of images, distortions and the first weights."""

    images: int  # in all
    batch_size: int
    lr: float  # its highest value: it rises over the first 30 % of the images and then falls to almost 0
    augment: bool
    horizontal_flip: bool
    seed: int

    def generator(self, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, 0, f"classifier/{purpose}"))


def train(settings: Mapping[str, Any], command: str) -> Path:
    """Trains and measures a classifier, writes its weights and card, and prints where they are. Returns the path of the
    weights. `command` is the line that the user typed, for the card."""
    name = settings["name"] or settings["data"]["name"]
    output = expanded(settings["output"] or f"{name}.safetensors", "output")
    check_request(settings, name, output)
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])
    data = load_data(settings)
    print(*data.describe(), sep="\n")
    training, held_out, held_out_name = split(data, settings["seed"])
    num_own, num_extra = len(training.images), 0
    if settings["extra"]:
        training, num_extra = with_extra(training, settings["extra"], data)
    num_different = len(training.images)
    if settings["oversample"]:
        training = oversampled(training, data.class_names)
    plan = TrainingPlan(settings["budget"]["images"], data.batch_size, settings["lr"], settings["augment"],
                        settings["data"]["horizontal_flip"], settings["seed"])
    network = fit(training, data.num_classes, plan)
    card = Card(
        name=name, channels=data.channels, image_size=data.image_size, padded_from=padded_from(data),
        class_names=data.class_names, data=data.name, training_images=num_different,
        held_out=held_out_name, held_out_images=len(held_out.images), accuracy=0.0, command=command,
        versions=versions(),
        note=f"Trained on training images of data={data.name}: GANs that learn from these, and the real images they "
             "are compared with, share them with this classifier."
             + (f" {num_extra:,} more images came from extra={settings['extra']}." if num_extra else "")
             + (" Images of rare classes were repeated (oversample=true)." if settings["oversample"] else ""))
    calibrate(LoadedClassifier(card, network, digest=""), held_out)
    measured = LoadedClassifier(card, network, digest="")
    card = replace(card, accuracy=accuracy(measured, held_out), recalls=recalls(measured, held_out))
    write(output, card, network)
    print(f"{num_different:,} training images{f' ({num_own:,} and {num_extra:,} of extra=)' if num_extra else ''}, "
          f"{card.accuracy:.2%} of {card.held_out_images:,} held-out images right ({held_out_name})\n"
          f"recall of each class: {in_words(card)}\n"
          f"{output}: type {spelling.line(['extractor=classifier', f'extractor.weights={output}'])}")
    return output


def check_request(settings: Mapping[str, Any], name: str, output: Path) -> None:
    """Raises a RequestError for settings that cannot work, before any image is read."""
    data = settings["data"]
    try:
        check_name(name)
    except ValueError as error:
        raise RequestError(str(error)) from error
    if output.resolve() != DIGITS_FILE:  # the one place where a reserved name belongs
        refuse_reserved(name, "The classifier")
    if output.suffix != ".safetensors":
        raise RequestError(f"output={output} must be a .safetensors file: type output={output}.safetensors")
    taken = next((path for path in (output, card_file(output)) if is_taken(path)), None)
    if taken and not settings["overwrite"]:
        raise RequestError(f"{taken} exists: choose another file with output=, or add overwrite=true")
    for path in (output, card_file(output)):
        require_writable(path, f"output={output}")
    if things := next((things for setting, things in NO_IMAGES.items() if setting in data), None):
        raise RequestError(f"data={data['name']} has {things}, and a classifier learns from images: type data of "
                           "images, e.g. data=mnist5k")
    if not data["num_classes"]:
        raise RequestError("data.num_classes=0, and a classifier needs classes: type data.num_classes=K for data with "
                           "K classes, e.g. data.num_classes=10")
    if data["channels"] not in COLOURS or data["image_size"] not in SIZES:
        raise RequestError(f"data.channels={data['channels']} data.image_size={data['image_size']} must be 1 or 3 "
                           f"channels and {SIZES.start} to {SIZES.stop - 1} pixels: type, for example, "
                           "data.channels=3 data.image_size=32")


# Data.


def load_data(settings: Mapping[str, Any]) -> ImageDataModule:
    """Returns the data set, read and without flips, which `fit` makes itself."""
    data = build.data({"data": settings["data"] | {"horizontal_flip": False}})
    data.prepare_data()
    data.setup("fit")
    return data


def split(data: ImageDataModule, seed: int) -> tuple[Examples, Examples, str]:
    """Returns training images, held-out images and a phrase that says which these are: the test images of the data set,
    or if it has none a fifth of each class."""
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
    training, remaining = (Examples(*(tensor[mask] for tensor in everything)) for mask in (~held_out, held_out))
    name = f"a fifth of each class of the training images of data={data.name}, drawn with seed={seed}"
    return training, remaining, name


def has_test_images(data: ImageDataModule) -> bool:
    return "test" in data.splits if isinstance(data, InMemoryImages) else bool(data.files("test"))


def examples(images: EvaluationImages) -> Examples:
    """Returns all images with their classes. Raises a RequestError if some cannot be read."""
    blocks = [images.block(range(at, min(at + BLOCK, len(images)))) for at in range(0, len(images), BLOCK)]
    unreadable = {path: reason for block in blocks for path, reason in block.unreadable.items()}
    if unreadable:
        path, reason = next(iter(unreadable.items()))
        raise RequestError(f"{len(unreadable)} image files of data={images.name} cannot be read, the first is {path} "
                           f"({reason}): mend or remove them")
    return Examples(torch.cat([block.images for block in blocks]), images.labels)


def padded_from(data: ImageDataModule) -> int | None:
    """Returns the size in pixels that images had before they were padded or enlarged; None if they were not."""
    size = data.images().shape[-1] if isinstance(data, InMemoryImages) else data.image_size
    return size if size < data.image_size else None


# Training.


def fit(examples: Examples, num_classes: int, plan: TrainingPlan) -> ClassifierNetwork:
    """Trains a network with AdamW, a one-cycle learning rate (Smith and Topin 2018, https://arxiv.org/abs/1708.07120)
    and smoothed labels (Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567). The weights of the result
    are rounded to float16, as they will be stored."""
    network = seeded_network(examples.images.shape[1], num_classes, plan.seed)
    order, distortions = EndlessOrder(len(examples.images), plan.seed), plan.generator("distortions")
    steps = math.ceil(plan.images / plan.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), plan.lr, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.lr, total_steps=steps)
    for step in tqdm(range(steps), unit="step", disable=None):
        indices = order.images(range(step * plan.batch_size, (step + 1) * plan.batch_size))
        images = to_unit_range(examples.images.index_select(0, indices))
        if plan.augment:
            images = distort(images, distortions)
        if plan.horizontal_flip:
            images = mirrored(images, torch.rand(len(images), generator=distortions) < 0.5)
        _, logits = network(images)
        loss = functional.cross_entropy(logits, examples.labels[indices], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    if not all(parameter.isfinite().all() for parameter in network.parameters()):
        raise Diverged(f"The weights stopped being finite: type a lower learning rate than lr={plan.lr:g}")
    return network.half().float()


def calibrate(classifier: LoadedClassifier, held_out: Examples) -> None:
    """Scales the last layer by one number, so that the probabilities of the classifier equal its accuracy (Guo et al.
    2017, section 4.2, https://arxiv.org/abs/1706.04599). Smoothed labels make them too low, and with them the Inception
    Score of real images. Features and accuracy do not change."""
    logits = torch.cat([classifier(images).logits for images in held_out.images.split(BLOCK)])
    layer = classifier.network.classes
    layer.load_state_dict({name: tensor * sharpness(logits, held_out.labels)
                           for name, tensor in layer.state_dict().items()})
    classifier.network.half().float()


def sharpness(logits: Tensor, labels: Tensor) -> float:
    """Returns the factor of the logits, from 0.01 to 100, at which the likelihood of the labels is largest: logits [N,
    K], labels [N]. There the mean logit under the probabilities equals that of the labels; it rises with the factor, so
    the point is found by bisection."""
    exact, low, high = logits.double(), 0.01, 100.0
    of_labels = exact.gather(1, labels[:, None]).mean()
    for _ in range(60):
        middle = math.sqrt(low * high)
        expected = ((middle * exact).softmax(1) * exact).sum(1).mean()
        low, high = (middle, high) if expected < of_labels else (low, middle)
    return low


def distort(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns images [N, C, S, S], each at random rotated by up to 15 degrees, sheared by up to 0.2, scaled in height
    and width by 0.85 to 1.15, shifted by up to S/12 pixels and warped by up to about S/25 (Simard et al. 2003,
    https://doi.org/10.1109/ICDAR.2003.1227801). Pixels from outside an image repeat its border."""
    angle, shear, *scales, right, down = (torch.rand(6, len(images), generator=generator) * 2 - 1).unbind()
    angle, shear, scales = angle * math.radians(15), shear * 0.2, [1 + 0.15 * scale for scale in scales]
    matrices = torch.stack([
        scales[0] * angle.cos(), scales[1] * (shear - angle.sin()), right / 6,
        scales[0] * angle.sin(), scales[1] * angle.cos(), down / 6], dim=1).view(-1, 2, 3)
    places = functional.affine_grid(matrices, list(images.shape), align_corners=False)  # [N, S, S, 2] in [-1, 1]
    corners = (torch.rand(len(images), 2, 5, 5, generator=generator) * 2 - 1) * 0.08  # shifts of a 5 x 5 grid
    shifts = functional.interpolate(corners, size=images.shape[-2:], mode="bicubic", align_corners=True)
    return functional.grid_sample(images, places + shifts.movedim(1, -1), padding_mode="border", align_corners=False)


def accuracy(classifier: LoadedClassifier, examples: Examples) -> float:
    """Returns the share of examples, 0 to 1, whose most probable class is their own."""
    return int(is_right(classifier, examples).sum()) / len(examples.labels)


def recalls(classifier: LoadedClassifier, examples: Examples) -> tuple[float | None, ...]:
    """Returns for each class the share of its examples, 0 to 1, whose most probable class it is; None for a class
    without examples."""
    right = is_right(classifier, examples)
    of_classes = (right[examples.labels == label] for label in range(classifier.num_classes))
    return tuple(int(each.sum()) / len(each) if len(each) else None for each in of_classes)


def is_right(classifier: LoadedClassifier, examples: Examples) -> Tensor:
    """Returns whether the most probable class of each example is its own, [N]."""
    return torch.cat([classifier(images).logits.argmax(1) == labels
                      for images, labels in zip(*(each.split(BLOCK) for each in examples), strict=True)])


def in_words(card: Card, most: int = 20) -> str:
    """Returns the recall of each class of a card, and of the worst ones alone where there are more than `most`."""
    pairs = [(name, recall) for name, recall in zip(card.class_names, card.recalls, strict=True) if recall is not None]
    worst = sorted(pairs, key=lambda pair: pair[1])[:most] if len(pairs) > most else pairs
    more = f", and {len(pairs) - most} classes above these" if len(pairs) > most else ""
    return ", ".join(f"{name} {recall:.1%}" for name, recall in worst) + more
