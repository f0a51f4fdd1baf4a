"""Images per second of SRGAN's training (x4, crops of 96, batch 16) against a loop written by hand, in turn.

    python benchmarks/super_resolution.py rounds=3 steps=3

Both play a step of D and a step of G on one fake, with the pixel loss and perceptual=random, fused Adam, channels_last.
Ours runs as train.py does, crops and reduces photographs on the way (callbacks=none); the loop has its pairs in memory.
The first step of each is not timed.
"""

import statistics
import time
from functools import partial

import torch
from _arguments import read_arguments
from _in_turn import in_turn
from torch.nn import functional as F
from training import ours

from saddlepoint import build
from tests.composing import settings

OVERRIDES = ["experiment=srgan_x4", "model.turns.generator_warmup_images=0", "callbacks=none", "logger=none"]


def by_hand(steps: int) -> float:
    made = settings(*OVERRIDES)
    networks = build.networks(made).values()
    generator, discriminator = (network.to(memory_format=torch.channels_last) for network in networks)
    content = build.content(made)
    of_generator, of_discriminator = (torch.optim.Adam(network.parameters(), 1e-4, fused=True)
                                      for network in (generator, discriminator))
    batch_size, size = made["data"]["batch_size"], made["data"]["image_size"]
    high = torch.rand(batch_size, 3, size, size)
    low = F.interpolate(high, scale_factor=1 / made["data"]["scale"], mode="area")
    labels, started = torch.zeros(batch_size, dtype=torch.long), 0.0
    for index in range(steps + 1):
        if index == 1:
            started = time.perf_counter()
        fake = generator(low)
        shown = 2 * fake - 1
        of_discriminator.zero_grad()
        real_logits, fake_logits = discriminator(2 * high - 1, labels), discriminator(shown.detach(), labels)
        (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()).backward()
        of_discriminator.step()
        discriminator.requires_grad_(False)
        of_generator.zero_grad()
        loss = 1e-3 * F.softplus(-discriminator(shown, labels)).mean()
        (loss + sum(term(fake, high) for term in content.values())).backward()
        of_generator.step()
        discriminator.requires_grad_(True)
    return time.perf_counter() - started


def main() -> None:
    rounds, steps = read_arguments({"rounds": 3, "steps": 3}).values()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    batch_size = settings(*OVERRIDES)["data"]["batch_size"]
    rows = in_turn(rounds, partial(ours, OVERRIDES, steps, 1), partial(by_hand, steps), f"{steps} steps")
    seconds = statistics.median(row[0] for row in rows) / steps
    ratio = statistics.median(hand / own for own, hand in rows)
    print(f"SRGAN x4, crops of 96, batch {batch_size}: {seconds:.2f} s a step, {batch_size / seconds:.1f} images/s, "
          f"{ratio:.3f} of the hand-written loop's")


if __name__ == "__main__":
    main()
