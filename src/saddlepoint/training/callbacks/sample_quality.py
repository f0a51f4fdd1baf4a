"""Measures FID and other metrics of fakes during training, on the generator that is used for sampling."""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
from tqdm import tqdm

from saddlepoint.config.rules import Count, Seed, WholeNumber, one_of
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.data.images import PARTS, ImageDataModule
from saddlepoint.downloads import cache_folder
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import evaluating
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.metrics.comparable import differing_fields
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.evaluator import Evaluator
from saddlepoint.metrics.images import GeneratedImages, as_measured
from saddlepoint.metrics.kernel import KernelDistance
from saddlepoint.metrics.metric import Sample, Setup
from saddlepoint.metrics.path_length import latent_spaces
from saddlepoint.metrics.provenance import Value, of_average, protocol, values
from saddlepoint.metrics.standing_statistics import kind_of_batchnorm
from saddlepoint.runs import checkpoint
from saddlepoint.training.callbacks.checkpointing import state
from saddlepoint.training.callbacks.every import Every
from saddlepoint.training.callbacks.looking import Looks, reason_against
from saddlepoint.training.callbacks.pace import Pace, arithmetic, arithmetic_of_drawing, generated, set_pace
from saddlepoint.training.callbacks.scores import write_scores
from saddlepoint.training.callbacks.table import add_points

LOOKS, SHARE = 20, 1 / 10  # of every_images=auto: measurements over the budget, and the part they may take


class SampleQuality(Looks, pl.Callback):
    """A callback that compares fakes of fixed latents with real images, at intervals and at the end of the budget.
    The first metric decides which state of the run is checkpoints/best.ckpt. It has no influence on training.

    context: extractor, metrics, data and game
    metric: names of metrics, each of which must be measurable; None: fid, and is if the extractor knows classes, as far
        as the data allow, or kid, in subsets as large as can be, where there are too few images for fid. What is left
        out is said
    every_images: images between two measurements; `auto`: 20 of them over the budget, or fewer, so that measuring is a
        tenth of the arithmetic of training at most (pace.py); None: never
    moments: numbers of images seen at which to measure as well
    num_fake: number of fakes
    num_real: real images at most; None: all
    split: the real images: `train`, those that are trained on; `whole`, those that data.subset_size leaves out too; or
        `test`
    seed: fixes latents and all random choices of metrics
    """

    setting = "callbacks.sample_quality"

    def __init__(self, context: EvaluationContext, metric: Sequence[str] | None, every_images: Pace,
                 moments: Sequence[WholeNumber], num_fake: Count, num_real: Count | None, seed: Seed,
                 split: Annotated[str, one_of(*PARTS)] = "train"):
        extractor, data = context.extractor, context.data
        self.moments, self.num_fake, self.seed = Every(every_images, moments), num_fake, seed
        typed = metric
        if metric is None:
            metric = ["fid", "is"] if extractor.num_classes else ["fid"]
        metrics = {name: context.metrics[name] for name in metric}
        self.evaluator = Evaluator(extractor, metrics, seed, cache=cache_folder())
        self.best: Value | None = None
        self.measured_at, self.seconds = -1, 0.0
        self.latent_spaces = latent_spaces(context.module.networks["generator"])
        if metrics and typed is None and (reason := reason_against(extractor, data)):
            self.evaluator.metrics = metrics = {}
            print(f"note: {self.setting} measures nothing: {reason}", file=sys.stderr)
        if metrics:
            self.real, self.num_workers = data.images_to_compare_with(split).limited(num_real), data.num_workers
            self.class_names = data.class_names if context.module.draws_labels else ()
            if typed is None:
                self.leave_out(context)
            else:
                self.refuse(data)
        self.active = bool(self.evaluator.metrics)

    def setup_against(self, real: EvaluationImages | Sample) -> Setup:
        """Returns what is about to be compared with these real images."""
        return self.evaluator.setup(real, self.num_fake, self.class_names, self.latent_spaces)

    def refuse(self, data: ImageDataModule) -> None:
        """Raises a RequestError before training if a metric cannot be measured."""
        self.evaluator.extractor.check_set(data)
        problems = self.evaluator.problems(self.setup_against(self.real))
        if problems:
            measurable = ",".join(name for name in self.evaluator.metrics if name not in problems)
            raise RequestError("\n".join(problems.values()) + "\nType 'callbacks.sample_quality.metric="
                               f"[{measurable}]' to train without, or, where fakes are too few, "
                               "callbacks.sample_quality.num_fake=N")

    def leave_out(self, context: EvaluationContext) -> None:
        """Leaves out metrics that nobody asked for and that cannot be measured, takes KID in the place of FID if that
        can be, and says so."""
        setup = self.setup_against(self.real)
        if problems := self.evaluator.problems(setup):
            metrics = {name: metric for name, metric in self.evaluator.metrics.items() if name not in problems}
            kid, fewest = context.metrics.get("kid"), min(setup.num_real, setup.num_fake)
            if "fid" in problems and isinstance(kid, KernelDistance) and fewest > 1:
                metrics = {"kid": kid.in_subsets_of(fewest)} | metrics
            self.evaluator.metrics = metrics
            measured = f"measured: {', '.join(metrics)}" if metrics else "nothing else is measured"
            print(f"note: {'. '.join(problems.values())}; {measured} ({self.setting}.metric=null)", file=sys.stderr)

    def on_train_start(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        if self.active:
            started = time.perf_counter()
            self.evaluator.extractor.to(module.device)
            set_pace(self.moments, self.setting, module, LOOKS, SHARE, lambda: self.arithmetic(module))
            self.evaluator.aloud = True
            self.look_at_real(trainer)
            self.evaluator.aloud = False
            self.seconds += time.perf_counter() - started

    def arithmetic(self, module: SynthesisModule) -> float:
        """Returns about how many additions and multiplications a measurement takes."""
        images, drawn = as_measured(generated(module)), 1 + len(module.tricks.averages())
        return drawn * self.num_fake * (arithmetic_of_drawing(module) + arithmetic(self.evaluator.extractor, images))

    def look_at_real(self, trainer: pl.Trainer) -> None:
        """Passes the training images through the extractor. If unreadable files leave too few images for some metrics,
        it warns, and training goes on without these metrics."""
        try:
            self.reference = self.evaluator.look_at_real(self.real, self.num_workers)
            problems = self.evaluator.problems(self.setup_against(self.reference))
        except RequestError as error:
            problems = {name: f"{name} cannot be measured: {error}" for name in self.evaluator.metrics}
        self.active = len(problems) < len(self.evaluator.metrics)
        if problems and trainer.is_global_zero:
            effect = "No other metric is measured" if not self.active else f"Measured without {', '.join(problems)}"
            deciding = next(iter(self.evaluator.metrics))
            best = "" if deciding not in problems else ", and no checkpoints/best.ckpt is written"
            tqdm.write("\n".join([*(f"warning: {each}" for each in problems.values()), f"{effect}{best}"]),
                       file=sys.stderr)

    def next_due(self, images_seen: int) -> float:
        return self.moments.next_due(images_seen) if self.active else math.inf

    def on_train_batch_end(self, trainer, module: SynthesisModule, outputs, batch, batch_index) -> None:
        if self.active and self.moments.due(module):
            with self.looking(module):
                self.measure(trainer, module)

    def on_train_end(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        ended = module.images_seen >= module.budget_images  # after a signal there is no time to measure
        if self.active and ended and module.images_seen != self.measured_at:
            self.measure(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best and self.best.as_json(), "seconds": self.seconds} | self.moments.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.moments.load_state_dict(state_dict)
        self.best, self.seconds = state_dict["best"] and Value(**state_dict["best"]), state_dict["seconds"]

    def measure(self, trainer: pl.Trainer, module: SynthesisModule) -> None:
        """Measures what draws and each further average, and in the first process writes the values."""
        started = time.perf_counter()
        measured_values = self.values_of(module)
        for average in module.tricks.averages():
            with module.drawing_from(average):
                measured_values += of_average(average, self.values_of(module))
        self.measured_at = module.images_seen
        if trainer.is_global_zero:
            self.keep_best(trainer, module, measured_values[0])
            self.seconds += time.perf_counter() - started
            self.write(trainer, measured_values)
            texts = ", ".join(value.in_words() for value in measured_values)
            tqdm.write(f"{module.images_seen:,} images: {texts}", file=sys.stderr)

    def values_of(self, module: SynthesisModule) -> list[Value]:
        """Makes fakes and measures all metrics."""
        generator = module.sampling_generator
        with evaluating(generator):
            classes = module.class_distribution if module.draws_labels else None
            fakes = GeneratedImages(generator, module.sampling_latents, classes, self.seed, self.num_fake)
            sample = self.evaluator.look_at_fakes(fakes)
        return values(
            self.evaluator.measure(self.reference, sample, self.class_names),
            protocol(self.evaluator.extractor, self.real, self.reference, self.num_fake, self.seed,
                     ema=module.has_average, batchnorm=kind_of_batchnorm(generator)),
            module.images_seen)

    def keep_best(self, trainer: pl.Trainer, module: SynthesisModule, value: Value) -> None:
        """Writes checkpoints/best.ckpt if the value is the best so far under its protocol."""
        if not math.isfinite(value.value):
            return
        sign = 1 if next(iter(self.evaluator.metrics.values())).greater_is_better else -1
        if self.best and self.best.name != value.name:
            tqdm.write(f"note: the best so far is of {self.best.name}, and {value.name} decides now; "
                       "checkpoints/best.ckpt begins anew", file=sys.stderr)
            self.best = None
        if self.best and (names := differing_fields(self.best.as_json()["protocol"], value.as_json()["protocol"])):
            tqdm.write(f"note: the best {value.name} so far was measured otherwise ({', '.join(names)}) and does not "
                       "compare; checkpoints/best.ckpt begins anew", file=sys.stderr)
            self.best = None
        path = Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt"
        if self.best is None or sign * value.value > sign * self.best.value or not path.exists():
            self.best = value
            checkpoint.save(path, state(module) | {"best": value.as_json()})

    def write(self, trainer: pl.Trainer, measured_values: list[Value]) -> None:
        """Writes the values into metrics.json, and the finite ones as curves."""
        write_scores(Path(trainer.default_root_dir), {
            "metrics": [value.as_json() for value in measured_values],
            "best": self.best and self.best.as_json(),
            "cost": {"evaluation_seconds": self.seconds},
        })
        curves = {f"quality/{value.name}": value.value for value in measured_values if math.isfinite(value.value)}
        add_points(trainer, self.measured_at, curves)
