"""Images per second and memory of the lecture's 256x256 networks against a loop written by hand, in turn.

    python benchmarks/lectures.py rounds=4 steps=2 cases=lecture_dcgan,lecture_cgan_256

Both update D on 16 real images, then on 16 fakes, then G on 32, with fused Adam and channels_last. Ours runs as
train.py does, from image files (callbacks=none); the loop has its images in memory. The first step is not timed.
"""

import resource
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy
import torch
from _arguments import read_arguments
from _in_turn import in_turn
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from training import ours

from saddlepoint import build
from tests.composing import settings

CASES = {
    "lecture_dcgan": ("experiment=lecture_dcgan",),
    "lecture_cgan_256": ("experiment=lecture_cgan_256",),
}
IMAGES, CLASSES, SIZE = 40, 10, 256


def write_images(folder: Path) -> None:
    """Smooth random colours in ten folders"""
    source = numpy.random.default_rng(0)
    for index in range(IMAGES):
        pixels = Image.fromarray(source.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)).resize((SIZE, SIZE))
        place = folder / f"class_{index % CLASSES}" / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels.save(place)


class HalfBatches:
    """The lecture's step: D on N/2 reals, D on N/2 fakes, G on N; one half of the loss each, as its mean is."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, batch_size: int, latent_dim: int, classes: int):
        self.generator, self.discriminator = generator, discriminator
        self.half, self.latent_dim, self.classes = batch_size // 2, latent_dim, max(classes, 1)
        self.adams = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999), fused=True)
                      for network in (generator, discriminator)]

    def made(self, count: int) -> tuple[Tensor, Tensor]:
        labels = torch.randint(self.classes, (count,))
        return self.generator(torch.randn(count, self.latent_dim), labels), labels

    def learn(self, adam: torch.optim.Optimizer, logits: Tensor, target: float, share: float = 0.5) -> None:
        adam.zero_grad()
        (share * F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))).backward()
        adam.step()

    def step(self, real: Tensor, labels: Tensor) -> None:
        of_generator, of_discriminator = self.adams
        with torch.no_grad():
            fake, fake_labels = self.made(self.half)
        self.learn(of_discriminator, self.discriminator(real, labels), 1.0)
        self.learn(of_discriminator, self.discriminator(fake, fake_labels), 0.0)
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(False)
        self.learn(of_generator, self.discriminator(*self.made(2 * self.half)), 1.0, share=1.0)
        for parameter in self.discriminator.parameters():
            parameter.requires_grad_(True)


def by_hand(overrides: list[str], steps: int) -> float:
    made = settings(*overrides)
    networks = build.networks(made).values()
    generator, discriminator = (network.to(memory_format=torch.channels_last) for network in networks)
    data = made["data"]
    loop = HalfBatches(generator, discriminator, data["batch_size"], made["model"]["latents"]["size"],
                       data["num_classes"])
    pixels = torch.randint(256, (IMAGES, 3, SIZE, SIZE), dtype=torch.uint8)
    started = 0.0
    for index in range(steps + 1):
        if index == 1:
            started = time.perf_counter()
        chosen = torch.randint(IMAGES, (loop.half,))
        loop.step(pixels[chosen].float().div_(127.5).sub_(1), chosen % loop.classes)
    return time.perf_counter() - started


def main() -> None:
    arguments = read_arguments({"rounds": 3, "steps": 2, "cases": ",".join(CASES)})
    rounds, steps = arguments["rounds"], arguments["steps"]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        for name in arguments["cases"].split(","):
            overrides = [*CASES[name], f"data.root={folder}", "data.train_fraction=null", "callbacks=none",
                         "logger=none", "data.num_workers=0"]
            half = settings(*overrides)["data"]["batch_size"] // 2
            rows = in_turn(rounds, partial(ours, overrides, steps, 1, half), partial(by_hand, overrides, steps),
                           f"{steps} steps")
            a_step = statistics.median(row[0] for row in rows) / steps
            ratio = statistics.median(hand / own for own, hand in rows)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
            print(f"{name}: {a_step:.1f} s a step, {half / a_step:.2f} real images/s, {ratio:.3f} of the "
                  f"hand-written loop's; the process peaked at {peak:.1f} GB")


if __name__ == "__main__":
    main()
