"""Run alone or under torchrun, with a file of each family's settings and a folder: a few steps of each family in
float64, by as many processes as there are; the first writes the terms of both losses, the gradients and the weights
after each step. Not a test itself."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from saddlepoint import build
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.parallel.collectives import gather, global_mean, join_processes, place
from saddlepoint.training import train
from tests.parallel.threads import of_the_group

STEPS = 2
COMMON = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=null", "data.batch_size=8",
          f"budget.images={8 * STEPS}", "callbacks=none", "logger=none", "model.generator.width=4",
          "model.discriminator.width=4",
          # of a bias before BatchNorm the gradient is rounding, and Adam with an eps of 1e-8 would make steps of it
          "optimizer.generator.eps=1e-4", "optimizer.discriminator.eps=1e-4")
DIGITS = ("data.image_size=16", "data.fit=resize")
FAMILIES = {
    "dcgan": (*DIGITS, "trick=[instance_noise,ema]"),
    "dcgan, scored together": (*DIGITS, "model.turns.scoring=together", "loss=least_squares"),
    "dcgan, fakes in evaluation mode": (*DIGITS, "model.turns.fakes_in_eval=true"),
    "wgan-gp with two critic steps": (
        *DIGITS, "loss=wasserstein", "trick=[wgan_gp]", "model.turns.discriminator_steps=2",
        "model.discriminator.normalization=layer", "optimizer=adam_wgan_gp"),
    "conditional, augmented": (*DIGITS, "model=projection", "loss=hinge", "model.turns.generator_batch_multiple=2",
                               "trick=[augment,lecam]", "tricks.augment.policy=ada_all",
                               "tricks.augment.probability.start=0.5", "tricks.augment.probability.every=1"),
    "relativistic average": (*DIGITS, "loss=relativistic_average"),
    "packs, noise, consensus": (*DIGITS, "trick=[packing,instance_noise,consensus]", "tricks.consensus.gamma=0.1",
                                "model.turns.order=simultaneous"),
    "finite differences, orthogonal filters, averages": (
        *DIGITS, "trick=[spectral_norm,instance_noise,finite_difference,orthogonal,ema]", "loss=hinge",
        "tricks.finite_difference.one_image_in=2", "model.discriminator.normalization=none",
        "tricks.ema.also={power:{sigma_rel:0.2}}"),
    "codes": (*DIGITS, "model=infogan", "model.generator.hidden=6", "model.discriminator.hidden=6"),
    "a stochastic encoder": (*DIGITS, "model=bigan", "model.encoder.width=4", "model.encoder.stochastic=true",
                             "trick=[ema]"),
    "srgan": ("experiment=srgan_x4", "callbacks=none", "data.image_size=32", "model.generator.num_blocks=1",
              "model.turns.generator_warmup_images=8"),
    "esrgan": ("model=esrgan", "data=sr_folder", "perceptual=random", "data.image_size=32", "callbacks=none",
               "loss=relativistic_average", "model.generator.num_blocks=1"),
    "pix2pix": ("model=pix2pix", "data=photo_edges", "data/pair=grey", "data.image_size=32", "callbacks=none",
                "model.generator.dropout=0"),
    "cyclegan": ("model=cyclegan", "data=coloured_digits", "loss=least_squares", "model.generator.num_blocks=1",
                 "model.module.pool_size=4", "callbacks=none"),  # the pool is full in the first of two steps
}


class Recorder(pl.Callback):
    def __init__(self) -> None:
        self.steps: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        terms = {name: global_mean(tensor.clone()) for name, tensor in module.latest.items() if "logits" not in name}
        gradients = {f"gradient of {name}": parameter.grad.clone() for name, parameter in module.named_parameters()
                     if parameter.grad is not None}
        weights = {f"weight {name}": tensor.clone() for name, tensor in module.state_dict().items()
                   if isinstance(tensor, Tensor)}
        self.steps.append(terms | gradients | weights)


def in_float64(training_step: Callable[..., None]) -> Callable[..., None]:
    """With images exact in float64, sums in another order differ by 1e-16, and 1e-9 tells a mistake from rounding."""
    def convert(module: AdversarialModule, batch: tuple[Tensor, ...], batch_index: int) -> None:
        exact = [tensor.double() if tensor.is_floating_point() else tensor for tensor in batch]
        training_step(module, type(batch)(*exact), batch_index)
    return convert


def play(settings: dict[str, Any], folder: Path) -> list[dict[str, Tensor]]:
    if "WORLD_SIZE" not in os.environ:
        settings["trainer"]["devices"] = 1
    recorder = Recorder()
    configured = build.callbacks
    build.callbacks = lambda *given: [*configured(*given), recorder]
    try:
        train.train(settings, folder)
    finally:
        build.callbacks = configured
    return recorder.steps


def everyones(step: dict[str, Tensor]) -> list[Tensor]:
    """[processes, ...] of each weight"""
    return [gather(tensor.double()[None]) for name, tensor in step.items() if name.startswith("weight")]


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    AdversarialModule.training_step = in_float64(AdversarialModule.training_step)
    families, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    with join_processes() as is_first:  # one group for all trainings
        processes = place()[1]
        played = {family: play(settings, folder / str(index))
                  for index, (family, settings) in enumerate(families.items())}
        spread = {family: max(float((each - each[:1]).abs().max()) for each in everyones(steps[-1]))
                  for family, steps in played.items()}
        during = of_the_group()
    (folder / f"threads-{0 if is_first else 1}.json").write_text(json.dumps([during, of_the_group()]))
    if is_first:
        torch.save({"processes": processes, "steps": played, "spread": spread}, folder / "played.pt")
