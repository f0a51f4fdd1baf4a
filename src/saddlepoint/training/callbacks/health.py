"""Watches whether training is healthy. A number that is not finite ends the run before it changes the weights. Signs of
slow failures, such as collapse, are measured on the newest step and on fakes of fixed latents, without influence on
training.

N images of D features."""

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
from saddlepoint.game.device_memory import Download
from saddlepoint.game.guard import FiniteGuard, leaves_out, sum_of
from saddlepoint.game.modes import evaluating
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.images import BLOCK, EvaluationBlocks, GeneratedImages, as_measured
from saddlepoint.parallel.collectives import gather
from saddlepoint.runs.directory import write_json
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.health_report import diagnosis, not_finite
from saddlepoint.training.callbacks.looking import Looks, reason_against
from saddlepoint.training.callbacks.pace import Pace, arithmetic, arithmetic_of_drawing, generated, set_pace
from saddlepoint.training.callbacks.step_means import pairs_of_sides
from saddlepoint.training.callbacks.table import add_points

ON_NONFINITE = ("stop", "roll_back")
ON_COLLAPSE = ("warn", "stop")
LOOKS, SHARE = 50, 1 / 40  # of every_images=auto: measurements over the budget, and the part they may take


class Health(Looks, pl.Callback):
    """A callback that ends a run whose loss terms or gradients are not finite, and measures signs of a slower failure.

    Before every update it checks loss terms and gradients. If one is not finite, it writes diagnosis.json and ends the
    run. At intervals it writes three curves:

    stability/gradient_ratio: the norm of G's gradient divided by that of D's, of the newest step
    stability/saturation: the share of images from which D learns nothing, as it is too sure of them; the loss says of
        which
    stability/diversity: the total variance of the features of fakes of the sampling generator, divided by that of as
        many reals: 1 if fakes differ from one another as reals do, 0 if all are the same; only for images made of noise

    on_nonfinite: stop ends the run; roll_back lets it go on from its newest checkpoint
    roll_backs: how many times at most
    roll_back_lr_factor: by which learning rates are multiplied each time, above 0 and up to 1
    every_images: images between two measurements; `auto`: 50 of them over the budget, or fewer, so that measuring is a
        fortieth of the arithmetic of training at most (pace.py); None: never
    num_images: fakes, and reals, for the diversity, 2 or more
    seed: of the latents of these fakes
    on_collapse: warn prints a warning; stop ends the run
    collapse_below: diversity below which a measurement counts as low
    collapse_after_images: images seen before which none counts
    patience: low measurements in a row that are a collapse
    """

    setting = "callbacks.health"

    def __init__(self, context: EvaluationContext, on_nonfinite: Annotated[str, one_of(*ON_NONFINITE)],
                 roll_backs: Count, roll_back_lr_factor: Annotated[float, number(0, 1, above=True)],
                 every_images: Pace, num_images: Annotated[int, integer(2)], seed: Seed,
                 on_collapse: Annotated[str, one_of(*ON_COLLAPSE)], collapse_below: NonNegative,
                 collapse_after_images: WholeNumber, patience: Count):
        refuse_unless(ON_NONFINITE, on_nonfinite=on_nonfinite)
        refuse_unless(ON_COLLAPSE, on_collapse=on_collapse)
        self.on_nonfinite, self.roll_backs, self.lr_factor = on_nonfinite, roll_backs, roll_back_lr_factor
        self.moments, self.num_images, self.seed = Every(every_images), num_images, seed
        self.on_collapse, self.collapse_below = on_collapse, collapse_below
        self.collapse_after_images, self.patience = collapse_after_images, patience
        self.roll_backs_done = self.low_in_a_row = 0
        self.guard = FiniteGuard([], torch.device("cpu"), self)
        self.saved_norms: dict[str, Tensor] = {}  # of gradients, from the checkpoint of a run that is resumed
        self.real: EvaluationBlocks | None = None
        if every_images and isinstance(context.module, SynthesisModule):
            self.prepare_diversity(context)

    def prepare_diversity(self, context: EvaluationContext) -> None:
        """Builds the extractor. Raises a RequestError if it cannot take the images of the data; if none can, the
        diversity is left out."""
        data, self.extractor = context.data, context.extractor
        try:
            if reason := reason_against(self.extractor, data):
                print(f"note: {self.setting} does not measure how different the images are: {reason}", file=sys.stderr)
                return
        except RequestError as error:
            raise RequestError(f"{error}, or callbacks.health.every_images=null to train without measuring how "
                               "different the images are") from error
        self.real = EvaluationBlocks(data.evaluation_images("train").limited(self.num_images))

    def on_train_start(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        self.directory, self.is_first = Path(trainer.default_root_dir), trainer.is_global_zero
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        later = None if module.device.type == "cpu" else Download
        self.guard = module.guard = FiniteGuard(trainer.optimizers, module.device, self, scaler, later)
        self.guard.norms |= {player: norms.to(module.device) for player, norms in self.saved_norms.items()}
        if later and self.is_first and self.guard.flag is None:
            say_that_the_host_waits(trainer.optimizers, scaled=scaler is not None)
        if self.real:
            self.extractor.to(module.device)
        set_pace(self.moments, self.setting, module, LOOKS, SHARE, lambda: self.arithmetic(module))
        if self.real:
            features = self.features(self.real, module)
            self.real_variance = float(total_variance(features)) if len(features) > 1 else 0.0

    def next_due(self, images_seen: int) -> float:
        return self.moments.next_due(images_seen)

    def on_train_batch_end(self, trainer, module: AdversarialModule, outputs, batch, batch_index) -> None:
        if self.moments.due(module):
            with self.looking(module):
                self.measure(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        norms = {player: torch.stack([*norms]).tolist() for player, norms in self.guard.norms.items()}
        return {"roll_backs_done": self.roll_backs_done, "in_a_row": self.low_in_a_row, "norms": norms,
                **self.moments.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.roll_backs_done, self.low_in_a_row = state_dict["roll_backs_done"], state_dict["in_a_row"]
        self.moments.load_state_dict(state_dict)
        self.saved_norms = {player: torch.tensor(norms, dtype=torch.float64)
                            for player, norms in state_dict["norms"].items()}

    def arithmetic(self, module: AdversarialModule) -> float:
        """Returns about how many additions and multiplications a measurement takes."""
        if not self.real:
            return 0.0
        features = arithmetic(self.extractor, as_measured(generated(module)))
        return self.num_images * (arithmetic_of_drawing(module) + features)

    # In every update.

    def confirm(self, module: AdversarialModule, player: str, terms: Mapping[str, Tensor]) -> None:
        """Ends the run if any process has a loss term or a gradient that is not finite."""
        culprits = not_finite(module, player, terms, checks_gradients=not self.guard.scaler)
        if sum_of([torch.tensor(float(bool(culprits)), device=module.device)]):
            self.end(module, player, terms, culprits or f"a loss term of the {player} in another process")

    def confirm_scale(self, module: AdversarialModule, scale: float) -> None:
        """Ends the run, which has made no update for long. Names the newest gradients that are not finite."""
        culprits, file_note = "gradients overflow in float16", ""
        for player in PLAYERS:
            if named := not_finite(module, player, {}, checks_gradients=True):
                terms = {name.removeprefix(f"{player}/"): term for name, term in module.latest.items()
                         if name.startswith(f"{player}/")}
                culprits = f"{named} not finite in update {getattr(module, f'{player}_steps_taken'):,} of the {player}"
                file_note = f" {self.diagnose(module, player, getattr(module, f'{player}_steps_taken'), terms)}."
                break
        self.stop(f"Diverged: {culprits} although precision=16-mixed has reduced the scale of the losses to {scale:g}, "
                  f"after {module.images_seen:,} images; the optimizers left these updates out.{file_note} "
                  "precision=bf16-mixed has the range of float32.")

    def end(self, module: AdversarialModule, player: str, terms: Mapping[str, Tensor], culprits: str) -> None:
        """Writes diagnosis.json and raises RollBack or Diverged. `culprits` names what is not finite."""
        update = getattr(module, f"{player}_steps_taken") + 1
        file_note = self.diagnose(module, player, update, terms)
        self.stop(f"Diverged: {culprits} not finite in update {update:,} of the {player}, after "
                  f"{module.images_seen:,} images; the optimizer did not step. {file_note}.")

    def diagnose(self, module: AdversarialModule, player: str, update: int, terms: Mapping[str, Tensor]) -> str:
        """Writes diagnosis.json and returns the words about it."""
        file = self.directory / "diagnosis.json"
        if self.is_first:
            try:
                write_json(file, diagnosis(module, player, update, terms, self.guard.batch))
            except OSError as error:
                return f"{file} could not be written: {error.strerror or error}"
        return f"{file} has the batch, logits, weights and gradients in numbers"

    def stop(self, message: str) -> None:
        """Raises RollBack or Diverged."""
        if self.on_nonfinite == "roll_back" and self.roll_backs_done < self.roll_backs:
            raise RollBack(message, self.lr_factor, self.roll_backs_done + 1)
        raise Diverged(f"{message} Try a lower optimizer.generator.lr and optimizer.discriminator.lr"
                       + (", or callbacks.health.on_nonfinite=roll_back" if self.on_nonfinite == "stop" else ""))

    # At intervals.

    @torch.no_grad()
    def measure(self, trainer: pl.Trainer, module: AdversarialModule) -> None:
        """Writes the three curves, as far as they have values, and warns or ends the run if it has collapsed."""
        diversity = self.diversity(trainer, module)
        measurements = {"gradient_ratio": self.gradient_ratio(), "saturation": saturation(module),
                        "diversity": diversity}
        curves = {f"stability/{name}": value for name, value in measurements.items() if value is not None}
        add_points(trainer, module.images_seen, curves)
        if diversity is not None:
            self.check_collapse(diversity, module.images_seen)

    def gradient_ratio(self) -> float | None:
        """Returns the ratio; None before both players have made an update, or if D's gradient is 0."""
        norms = {player: math.hypot(*torch.stack([*norms]).tolist()) for player, norms in self.guard.norms.items()}
        ratio = norms["generator"] / norms["discriminator"] if len(norms) == 2 and norms["discriminator"] else math.inf
        return ratio if math.isfinite(ratio) else None

    def diversity(self, trainer: pl.Trainer, module: AdversarialModule) -> float | None:
        """Returns the diversity; None if it is not measured, or if all reals are the same."""
        if not self.real or not self.real_variance:
            return None
        classes = module.class_distribution if module.draws_labels else None
        with evaluating(module.sampling_generator) as generator:
            fakes = GeneratedImages(generator, module.sampling_latents, classes, self.seed, self.num_images)
            fake_variance = total_variance(self.features(fakes, module)).to(module.device)
        return sum_of([fake_variance]) / trainer.world_size / self.real_variance

    def features(self, images: EvaluationBlocks | GeneratedImages, module: AdversarialModule) -> Tensor:
        """Returns the features [N, D] of all images. They are few, so every process computes all of them."""
        blocks = (images.block(first).images for first in range(0, images.count, BLOCK))
        return torch.cat([self.extractor(block.to(module.device)).features for block in blocks])

    def check_collapse(self, diversity: float, images_seen: int) -> None:
        """Warns or raises Collapsed if the diversity was too low often enough."""
        low = diversity < self.collapse_below and images_seen >= self.collapse_after_images
        self.low_in_a_row = self.low_in_a_row + 1 if low else 0
        if not low or self.low_in_a_row < self.patience:
            return
        message = (f"The generator has collapsed: after {images_seen:,} images its pictures differ from one another "
                   f"{diversity:.2g} times as much as real ones (stability/diversity, below {self.collapse_below:g} "
                   f"for {self.low_in_a_row} measurements in a row). Try trick=instance_noise, loss=hinge "
                   "trick=spectral_norm, a lower optimizer.discriminator.lr or another seed")
        if self.on_collapse == "stop":
            raise Collapsed(message)
        if self.low_in_a_row == self.patience and self.is_first:
            tqdm.write(f"warning: {message}", file=sys.stderr)


def refuse_unless(choices: Sequence[str], **setting: str) -> None:
    """Raises a ValueError if the value of the one setting is not among the choices."""
    [(name, value)] = setting.items()
    if value not in choices:
        raise ValueError(f"callbacks.health.{name}={value} must be {' or '.join(choices)}")


def say_that_the_host_waits(optimizers: Sequence[Optimizer], scaled: bool) -> None:
    """Prints why the host looks at each update before it is made, so that the GPU waits for the host."""
    waiting = {type(each).__name__ for each in optimizers if not leaves_out(each)}
    reason = ("precision=16-mixed lets a scaler leave out updates: precision=bf16-mixed needs none" if scaled else
              f"{' and '.join(sorted(waiting))} cannot leave out an update by itself: optimizer=adam can, and "
              "optimizer=sgd with optimizer.generator.fused=true optimizer.discriminator.fused=true")
    tqdm.write(f"note: the GPU waits in every update until the host has seen that it is finite, since {reason}",
               file=sys.stderr)


def total_variance(features: Tensor) -> Tensor:
    """Returns tr Cov = 1/(N-1) sum_i |f_i - mean|^2 of features [N, D], in float64; exactly 0 if all rows are equal.

    This is half the mean squared distance of two different rows: 1/(N(N-1)) sum_{i != j} |f_i - f_j|^2 = 2 tr Cov. So
    the ratio of two sets' variances is that of their mean squared distances, however many rows each has.
    """
    rows = features.cpu().double()  # sums of equal float32 numbers are exact
    return (rows - rows.sum(0) / len(rows)).square().sum() / (len(rows) - 1)


def saturation(module: AdversarialModule) -> float | None:
    """Returns the share of images of the newest step from which D learns nothing, as a mean over contests; None if the
    loss defines none or D has not made an update."""
    logits = {name.removeprefix("logits/"): gather(tensor).float() for name, tensor in module.latest.items()
              if name.startswith("logits/")}  # none before the discriminator's first update
    shares = [module.loss.saturation(real, fake) for _, real, fake in pairs_of_sides(logits)]
    return None if not shares or shares[0] is None else float(sum(shares)) / len(shares)
