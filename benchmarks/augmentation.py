"""What an augmentation costs: CPU seconds of a step of DCGAN at 32 x 32, with a policy and without, in turn.

    python benchmarks/augmentation.py rounds=7 channels=3 model=dcgan

One thread, batches of 64 random images. CPU seconds are those of the process, so other programs matter little.
"""

import time
from functools import partial
from statistics import median
from types import SimpleNamespace

import torch
from _arguments import read_arguments

from saddlepoint import build
from saddlepoint.config.composing import settings_of
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch

POLICIES = {
    "none": (),
    "diffaugment": ("trick=[augment]",),
    "ada, p = 0.5": ("trick=[augment]", "tricks.augment.policy=ada", "tricks.augment.probability=0.5"),
    "ada, p = 0.5, bilinear": ("trick=[augment]", "tricks.augment.policy=ada", "tricks.augment.probability=0.5",
                               "tricks.augment.policy.supersampled=false"),
}


def game(*typed: str) -> AdversarialModule:
    """Returns a game that is ready for training_step, without Lightning's loop around it."""
    module = build.module(settings_of((*typed, "callbacks=none", "logger=none", "trainer=cpu")))
    module._trainer, module.budget_images = SimpleNamespace(world_size=1, global_rank=0), 10**9
    wrapped = [SimpleNamespace(optimizer=each, param_groups=each.param_groups)
               for each in module.configure_optimizers()]
    module.optimizers, module.players_optimizers.directly = lambda: wrapped, True
    return module


def seconds(module: AdversarialModule, batch: ImageBatch) -> float:
    before = time.process_time()
    module.training_step(batch, 0)
    return time.process_time() - before


def main() -> None:
    rounds, channels, model = read_arguments({"rounds": 7, "channels": 3, "model": "dcgan"}).values()
    torch.set_num_threads(1)
    size = ("data=mnist5k", "data.image_size=32", f"data.channels={channels}", f"model={model}")
    steps = {name: partial(seconds, game(*size, *typed)) for name, typed in POLICIES.items()}
    batch = ImageBatch(torch.rand(64, channels, 32, 32) * 2 - 1, torch.zeros(64, dtype=torch.long))
    for step in steps.values():
        step(batch)
    taken = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            taken[name].append(step(batch))
    print(f"{model}, {channels} x 32 x 32, batch 64, one thread, medians of {rounds} rounds")
    for name, found in taken.items():
        ratios = [each / plain for each, plain in zip(found, taken["none"], strict=True)]
        print(f"{name:24} {1000 * median(found):7.0f} ms   {median(ratios):5.2f} of a step without")


if __name__ == "__main__":
    main()
