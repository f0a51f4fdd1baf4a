"""How far one checkpoint's FID moves with each choice of the protocol, everything else as it was; a Markdown table.

    python benchmarks/sensitivity.py run=RUN

RUN is a run on images that extractor=digits can look at, with trick=[ema] and BatchNorm in its generator.
"""

import copy
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import torch
from _arguments import read_arguments
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from saddlepoint import build  # noqa: E402
from saddlepoint.data.pixels import to_bytes  # noqa: E402
from saddlepoint.metrics import images as sources  # noqa: E402
from saddlepoint.metrics import standing_statistics  # noqa: E402
from saddlepoint.metrics.evaluator import Evaluator  # noqa: E402
from saddlepoint.metrics.extractors.classifier import Digits  # noqa: E402
from saddlepoint.metrics.extractors.extractor import Extractor  # noqa: E402
from saddlepoint.metrics.extractors.random import RandomConvolutions  # noqa: E402
from saddlepoint.metrics.frechet import FrechetDistance  # noqa: E402
from saddlepoint.metrics.images import GeneratedImages  # noqa: E402
from saddlepoint.sampling.loading import checkpoint_of, load_module  # noqa: E402

FAKES = 10_000


@dataclass(frozen=True)
class Choice:
    what: str
    value: str
    num_fake: int = FAKES
    num_real: int | None = None
    seed: int = 0
    weights: str = "ema"
    statistics: str = "running"
    extractor: Callable[[], Extractor] = Digits
    quantise: Callable[[Tensor], Tensor] = to_bytes
    store: Callable[[Tensor], Tensor] = field(default=lambda images: images)


def truncated(images: Tensor) -> Tensor:
    return images.add(1).mul(127.5).clamp(0, 255).to(torch.uint8)


def stretched(images: Tensor) -> Tensor:
    """From the lowest to the highest value of the batch, as one published library does it for the Inception Score."""
    low, high = images.min(), images.max()
    return ((images - low) / (high - low) * 255).round().to(torch.uint8)


def through_jpeg(images: Tensor) -> Tensor:
    def stored(image: Tensor) -> Tensor:
        content = io.BytesIO()
        Image.fromarray(image[0].numpy()).save(content, format="JPEG", quality=90)
        return torch.from_numpy(numpy.array(Image.open(content)))[None]
    return torch.stack([stored(image) for image in images])


CHOICES = [
    Choice("the baseline", f"{FAKES:,} fakes of seed 0, EMA, running statistics, all real images"),
    *(Choice("number of fakes", f"{count:,}", num_fake=count) for count in (500, 1_000, 2_000, 5_000, 50_000)),
    *(Choice("number of real images", f"{count:,}", num_real=count) for count in (1_000, 2_500)),
    *(Choice("seed of the fakes", str(seed), seed=seed) for seed in (1, 2, 3, 4)),
    Choice("weights", "raw", weights="raw"),
    Choice("BatchNorm", "standing, 128 batches of 64", statistics="standing"),
    Choice("BatchNorm", "batch of 64", statistics="batch"),
    Choice("8 bits", "truncated", quantise=truncated),
    Choice("8 bits", "stretched over each batch", quantise=stretched),
    Choice("files between", "JPEG, quality 90", store=through_jpeg),
    *(Choice("extractor", f"random, seed {seed}", extractor=lambda seed=seed: RandomConvolutions(seed, image_size=32))
      for seed in (0, 1)),
]


class Stored(GeneratedImages):
    """Fakes that went through something on their way to the extractor."""

    def __init__(self, store: Callable[[Tensor], Tensor], *arguments):
        super().__init__(*arguments)
        self.store = store

    def blocks(self) -> Iterator:
        return ((first, block._replace(images=self.store(block.images))) for first, block in super().blocks())


def fid(choice: Choice, module, data) -> float:
    trained = module.sampling_generator if choice.weights == "ema" else module.generator
    generator = copy.deepcopy(trained).eval().to(memory_format=torch.channels_last)
    if choice.statistics == "standing":
        standing_statistics.use_standing_statistics(generator, module.latents, None, choice.seed, batches=128)
    elif choice.statistics == "batch":
        standing_statistics.use_batch_statistics(generator)
    evaluator = Evaluator(choice.extractor(), {"fid": FrechetDistance()}, choice.seed)
    sources.to_bytes = choice.quantise
    fakes = Stored(choice.store, generator, module.latents, None, choice.seed, choice.num_fake)
    sample = evaluator.look_at_fakes(fakes)
    real = evaluator.look_at_real(data.evaluation_images("train").limited(choice.num_real))
    return evaluator.measure(real, sample)["fid"].value


def main() -> None:
    run = read_arguments({"run": ""})["run"]
    if not run:
        sys.exit("Type run=RUN with the directory of a run")
    module, saved = load_module(checkpoint_of(Path(run)))
    data = build.data(saved["settings"])
    data.prepare_data()
    data.setup("fit")
    print(f"{saved['images_seen']:,} images seen\n\n| choice | value | FID | against the baseline |\n|---|---|---|---|")
    baseline = None
    for choice in CHOICES:
        value = fid(choice, module, data)
        baseline = baseline or value
        print(f"| {choice.what} | {choice.value} | {value:.3f} | {value / baseline - 1:+.1%} |", flush=True)


if __name__ == "__main__":
    main()
