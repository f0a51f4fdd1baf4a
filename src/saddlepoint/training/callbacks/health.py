"""Is training alive? What is not finite stops a run before it reaches the weights; what goes wrong slowly is measured,
from what training made anyway and from images of latents that are always the same: training does not notice."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.optim import Optimizer
from tqdm import tqdm

from saddlepoint.config.rules import Count, NonNegative, Seed, WholeNumber, integer, number, one_of
from saddlepoint.errors import Collapsed, Diverged, RequestError, RollBack
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.modes import evaluating
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.diversity import spread
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, GeneratedImages
from saddlepoint.parallel.collectives import alone, gathered, summed
from saddlepoint.runs.directory import write_json
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.health_report import diagnosis, not_finite
from saddlepoint.training.callbacks.table import Table

ON_NONFINITE = ("stop", "roll_back")
ON_COLLAPSE = ("warn", "stop")


class Health(pl.Callback):
    """Before every update: a loss term or a gradient that is not finite ends the run, with diagnosis.json. With
    `on_nonfinite` roll_back the end says that the run may go on from its newest checkpoint, `roll_backs` times at most,
    with learning rates times `roll_back_lr_factor`.

    Every `every_images` images (null: never), of the newest step:
    health/gradient_ratio: the norm of G's gradient over that of D's.
    health/saturation: the share of images about which D is so sure that it learns nothing from them (the loss says).
    health/diversity, where images are made from noise: the spread (metrics/diversity.py) of `num_images` fakes of the
    sampling generator, of latents of `seed`, over that of as many reals: 1 if fakes are as different from one another
    as reals are, 0 if they are all the same. Below `collapse_below` `patience` times in a row, from
    `collapse_after_images` images on, it is a collapse: said (`on_collapse` warn) or the end of the run (stop).

    on_nonfinite: stop or roll_back
    roll_backs: in a run at most, 1 or more
    roll_back_lr_factor: above 0 to 1, on both learning rates at each roll-back
    every_images: images between two measurements, 1 or more; None: none are made
    num_images: fakes, and reals, whose features are compared, 2 or more
    seed: of the fakes' latents
    on_collapse: warn or stop
    collapse_below: diversity, 0 or more
    collapse_after_images: images, 0 or more
    patience: measurements in a row, 1 or more
    """

    def __init__(self, context: EvaluationContext, on_nonfinite: Annotated[str, one_of(*ON_NONFINITE)],
                 roll_backs: Count, roll_back_lr_factor: Annotated[float, number(0, 1, above=True)],
                 every_images: Count | None, num_images: Annotated[int, integer(2)], seed: Seed,
                 on_collapse: Annotated[str, one_of(*ON_COLLAPSE)], collapse_below: NonNegative,
                 collapse_after_images: WholeNumber, patience: Count):
        refuse_unless(ON_NONFINITE, on_nonfinite=on_nonfinite)
        refuse_unless(ON_COLLAPSE, on_collapse=on_collapse)
        self.on_nonfinite, self.roll_backs, self.lr_factor = on_nonfinite, roll_backs, roll_back_lr_factor
        self.moments, self.num_images, self.seed = Every(every_images), num_images, seed
        self.on_collapse, self.collapse_below = on_collapse, collapse_below
        self.collapse_after_images, self.patience = collapse_after_images, patience
        self.roll_backs_done = self.in_a_row = 0
        self.norms: dict[str, Sequence[Tensor]] = {}  # of each player's newest gradient, by parameter
        self.batch: ImageBatch | None = None
        self.real: EvaluationBlocks | None = None
        if every_images and isinstance(context.module, SynthesisModule):
            self.prepare_diversity(context)

    def prepare_diversity(self, context: EvaluationContext) -> None:
        data, self.extractor = context.data, context.extractor
        try:
            self.extractor.check(data.channels, data.image_size)
        except RequestError as error:
            raise RequestError(f"{error}, or callbacks.health.every_images=null to train without measuring how "
                               "different the images are") from error
        self.real = EvaluationBlocks(data.evaluation_images("train").limited(self.num_images))

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.directory, self.speaks = Path(trainer.default_root_dir), trainer.is_global_zero
        self.players = dict(zip(trainer.optimizers, ("generator", "discriminator"), strict=True))
        # Gradients that a scaler multiplied become infinite at times, and it skips the step by itself.
        self.look_at_gradients = getattr(trainer.precision_plugin, "scaler", None) is None
        module.players_optimizers.watch = self.watch
        if self.real:
            self.extractor.to(module.device)
            features = self.features(self.real, module)
            self.real_spread = float(spread(features)) if len(features) > 1 else 0.0

    def on_train_batch_start(self, trainer, module: AdversarialModule, batch: ImageBatch, batch_index) -> None:
        self.batch = batch

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        self.batch = None
        if self.moments.due(module.images_before, module.images_seen):
            self.measure(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        norms = {player: torch.stack([*norms]).tolist() for player, norms in self.norms.items()}
        return {"roll_backs_done": self.roll_backs_done, "in_a_row": self.in_a_row, "norms": norms}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.roll_backs_done, self.in_a_row = state_dict["roll_backs_done"], state_dict["in_a_row"]
        self.norms = {player: torch.tensor(norms, dtype=torch.float64) for player, norms in state_dict["norms"].items()}

    # Before every update.

    @torch.no_grad()
    def watch(self, module: AdversarialModule, optimizer: Optimizer, terms: Mapping[str, Tensor]) -> None:
        """A sum is finite if everything in it is. Where it is not, it may only be too large for float32, so everything
        is looked at before anybody is accused."""
        player, numbers = self.players[optimizer], list(terms.values())
        if self.look_at_gradients:
            gradients = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
            self.norms[player] = torch._foreach_norm([each for each in gradients if each is not None])
            numbers += self.norms[player]
        if not math.isfinite(total(numbers)):
            self.look_closely(module, player, terms)

    def look_closely(self, module: AdversarialModule, player: str, terms: Mapping[str, Tensor]) -> None:
        found = not_finite(player, getattr(module, player), terms, self.look_at_gradients)
        if total([torch.tensor(float(bool(found)), device=module.device)]):
            self.end(module, player, terms, found or f"a loss term of the {player} in another process")

    def end(self, module: AdversarialModule, player: str, terms: Mapping[str, Tensor], found: str) -> None:
        update, file = getattr(module, f"{player}_steps_taken") + 1, self.directory / "diagnosis.json"
        kept = f"{file} has the batch, logits, weights and gradients in numbers"
        if self.speaks:
            try:
                write_json(file, diagnosis(module, player, update, terms, self.batch))
            except OSError as error:
                kept = f"{file} could not be written: {error.strerror or error}"
        said = (f"Diverged: {found} not finite in update {update:,} of the {player}, after {module.images_seen:,} "
                f"images; the optimizer did not step. {kept}.")
        if self.on_nonfinite == "roll_back" and self.roll_backs_done < self.roll_backs:
            raise RollBack(said, self.lr_factor, self.roll_backs_done + 1)
        raise Diverged(f"{said} Try a lower optimizer.generator.lr and optimizer.discriminator.lr"
                       + (", or callbacks.health.on_nonfinite=roll_back" if self.on_nonfinite == "stop" else ""))

    # Every so many images.

    @torch.no_grad()
    def measure(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        diversity = self.diversity(trainer, module)
        measured = {"gradient_ratio": self.gradient_ratio(), "saturation": saturation(module), "diversity": diversity}
        curves = {f"health/{name}": value for name, value in measured.items() if value is not None}
        if curves and self.speaks:
            Table(self.directory / "metrics.csv").add({"images_seen": module.images_seen} | curves)
            for logger in trainer.loggers:
                logger.log_metrics(curves, step=module.images_seen)
        if diversity is not None:
            self.evaluator(diversity, module.images_seen)

    def gradient_ratio(self) -> float | None:
        """None before both have moved, and where D's gradient is 0"""
        norms = {player: math.hypot(*torch.stack([*norms]).tolist()) for player, norms in self.norms.items()}
        ratio = norms["generator"] / norms["discriminator"] if len(norms) == 2 and norms["discriminator"] else math.inf
        return ratio if math.isfinite(ratio) else None

    def diversity(self, trainer: pl.Trainer, module: AdversarialModule) -> float | None:
        """None where there are no two different reals to compare with"""
        if not self.real or not self.real_spread:
            return None
        classes = module.class_distribution if module.draws_labels else None
        with evaluating(module.sampling_generator) as generator:
            fakes = GeneratedImages(generator, module.latents, classes, self.seed, self.num_images)
            fake_spread = spread(self.features(fakes, module)).to(module.device)
        return total([fake_spread]) / trainer.world_size / self.real_spread

    def features(self, images: EvaluationBlocks | GeneratedImages, module: AdversarialModule) -> Tensor:
        """-> [N, D]. Each process looks at them all: there are few."""
        blocks = (images.block(first).images for first in range(0, images.count, BLOCK))
        return torch.cat([self.extractor(block.to(module.device)).features for block in blocks])

    def evaluator(self, diversity: float, images_seen: int) -> None:
        low = diversity < self.collapse_below and images_seen >= self.collapse_after_images
        self.in_a_row = self.in_a_row + 1 if low else 0
        if not low or self.in_a_row < self.patience:
            return
        said = (f"The generator has collapsed: after {images_seen:,} images its pictures differ from one another "
                f"{diversity:.2g} times as much as real ones (health/diversity, below {self.collapse_below:g} for "
                f"{self.in_a_row} measurements in a row). Try trick=instance_noise, loss=hinge trick=spectral_norm, a "
                "lower optimizer.discriminator.lr or another seed")
        if self.on_collapse == "stop":
            raise Collapsed(said)
        if self.in_a_row == self.patience and self.speaks:
            tqdm.write(f"warning: {said}", file=sys.stderr)


def refuse_unless(choices: Sequence[str], **setting: str) -> None:
    [(name, value)] = setting.items()
    if value not in choices:
        raise ValueError(f"callbacks.health.{name}={value} must be {' or '.join(choices)}")


def saturation(module: AdversarialModule) -> float | None:
    logits = [module.latest.get(f"logits/{side}") for side in ("real", "fake")]
    moved = all(each is not None for each in logits)  # the discriminator may be waiting yet
    share = module.loss.saturation(*(gathered(each).float() for each in logits)) if moved else None
    return None if share is None else float(share)


def total(numbers: Sequence[Tensor]) -> float:
    """The sum over `numbers` and all processes, so that all decide alike. Each reading makes a GPU wait, and takes less
    than an addition on a CPU."""
    if numbers[0].is_cpu and alone():
        return sum(each.item() for each in numbers)
    return summed({"number": torch.stack(numbers).sum()})["number"].item()
