"""Images per second of train.py's path against hand-written loops, in one run, in turn; medians of the ratios.

    python benchmarks/training.py root=FOLDER_OF_FASHION_MNIST_IDX_FILES rounds=5
    python benchmarks/training.py only=R3GAN                      # what has this in its name

Ours runs as train.py does: Lightning, run directory, TensorBoard and metrics.csv, progress, checkpoints. The first
comparison has the same networks, fused Adam, order of operations, memory layout and threads. The second is the way
reports and lessons train: a torchvision data set behind a DataLoader, Adam as it comes. Without root, MNIST's 5,000
digits serve.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from _arguments import read_arguments
from _hand_written import AsDocumented, HandWritten, Regularised, seconds_from_loader, seconds_from_memory
from torchvision import datasets, transforms

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from saddlepoint import build  # noqa: E402
from saddlepoint.training.train import train  # noqa: E402
from tests.composing import settings  # noqa: E402

A1 = ("model=mlp", "data.image_size=28", "data.batch_size=100", "model.generator.widths=[256,512]",
      "model.generator.normalization=none", "model.generator.negative_slope=0.3",
      "model.generator.activate_output=true",
      "model.discriminator.widths=[256,100]", "model.discriminator.activate_output=true",
      "model.discriminator.dropout=[0.0,0.2,0.2]")
CASES = {  # overrides, padding to the image size, steps, warm-up steps, the loop by hand
    "MLP (A1), batch 100": (A1, 0, 600, 50, HandWritten),
    "DCGAN 32x32, batch 64": (("model=dcgan", "data.batch_size=64"), 2, 40, 4, HandWritten),
    "small R3GAN, batch 16": (("experiment=r3gan_mnist5k", "data.batch_size=16"), 2, 40, 4, Regularised),
}


class Stopwatch(pl.Callback):
    """Measures the seconds between two moments of training, in images seen, whatever happens in between, and ends it.

    A GPU works on while the host is ahead of it, so both moments wait for it.
    """

    def __init__(self, first: int, last: int):
        self.first, self.last = first, last
        self.started = self.seconds = 0.0

    def next_due(self, images_seen: int) -> float:
        return self.first if images_seen < self.first else self.last

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        if module.images_seen == self.first:
            self.started = self.now(module)
        if module.images_seen == self.last:
            self.seconds = self.now(module) - self.started
            trainer.should_stop = True

    def now(self, module: pl.LightningModule) -> float:
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        return time.perf_counter()


def ours(overrides: list[str], steps: int, warm_up: int, images_a_step: int | None = None) -> float:
    """`images_a_step`: real ones, where that is not the batch size. These steps are part of the recipe's own budget, by
    which all that looks is paced."""
    images_a_step = images_a_step or settings(*overrides)["data"]["batch_size"]
    first, last = warm_up * images_a_step, (warm_up + steps) * images_a_step
    watch, configured = Stopwatch(first, last), build.callbacks
    budget = max(settings(*overrides)["budget"]["images"], last)
    made = settings(*overrides, f"budget.images={budget}")
    build.callbacks = lambda *given: [*configured(*given), watch]
    try:
        with tempfile.TemporaryDirectory() as directory:
            train(made, Path(directory) / "run")
    finally:
        build.callbacks = configured
    return watch.seconds


def by_hand(overrides: list[str], loop: type[HandWritten] = HandWritten) -> HandWritten:
    made = settings(*overrides)
    networks = [each.to(memory_format=torch.channels_last) for each in build.networks(made).values()]
    return loop(*networks, made["data"]["batch_size"], made["model"]["latents"]["size"])


def torchvision_loader(data: pl.LightningDataModule, batch_size: int, directory: str):
    """The same images as a torchvision data set, as the documents load them."""
    dataset = datasets.VisionDataset(directory, transform=transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]))
    images = data.images()[:, 0].numpy()
    mnist = datasets.MNIST.__new__(datasets.MNIST)  # its __getitem__ on our tensor, without its files
    mnist.data, mnist.targets = torch.from_numpy(images), torch.zeros(len(images), dtype=torch.long)
    mnist.transform, mnist.target_transform, mnist.root = dataset.transform, None, directory
    return torch.utils.data.DataLoader(mnist, batch_size=batch_size, shuffle=True)


def main() -> None:
    root, rounds, only = read_arguments({"root": "", "rounds": 5, "only": ""}).values()
    where = ["data=fashion_mnist", f"data.root='{root}'"] if root else ["data=mnist5k"]
    data = build.data(settings(*where))
    data.prepare_data()
    data.setup("fit")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {data.name}")
    for name, (overrides, padding, steps, warm_up, loop) in CASES.items():
        if only not in name:
            continue
        overrides = [*where, *overrides]
        rows = []
        for _ in range(rounds):
            rows.append([ours(overrides, steps, warm_up),
                         seconds_from_memory(by_hand(overrides, loop), data.images(), padding, steps, warm_up)])
            if not padding:
                with tempfile.TemporaryDirectory() as directory:
                    documented = by_hand(overrides, AsDocumented)
                    loader = torchvision_loader(data, documented.batch_size, directory)
                    rows[-1].append(seconds_from_loader(documented, loader, steps, warm_up))
            print("  seconds for", steps, "steps:", " ".join(f"{each:.2f}" for each in rows[-1]), flush=True)
        report(name, rows, steps)


def report(name: str, rows: list[list[float]], steps: int) -> None:
    ratio = statistics.median(hand / own for own, hand, *_ in rows)
    print(f"{name}: {1000 * statistics.median(row[0] for row in rows) / steps:.2f} ms a step; "
          f"{ratio:.3f} of the hand-written loop's images/s")
    if len(rows[0]) == 3:
        ratio = statistics.median(row[2] / row[0] for row in rows)
        print(f"{name}: {ratio:.2f} times the images/s of the documents' way")


if __name__ == "__main__":
    main()
