"""What each setting may be: a rule for every dotted path of the project's yaml files. Needs no torch."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

Rule = Callable[[Any], str | None]  # value -> what it must be, or None when it is that already


def nearest(name: str, valid: Iterable[str]) -> str:
    """`: did you mean ...?`, or nothing when no valid name is near"""
    valid = list(valid)
    last = name.rpartition(".")[2]  # the right word in the wrong place: lr -> optimizer.generator.lr
    close = [path for path in valid if path.rpartition(".")[2] == last]
    close = close or difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    close = close or difflib.get_close_matches(last, valid, n=1, cutoff=0.6)
    return f": did you mean {' or '.join(close[:2])}?" if close else ""


def as_typed(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def integer(low: int, high: int | None = None) -> Rule:
    bounds = f"of at least {low}" if high is None else f"from {low} to {high}"

    def rule(value: Any) -> str | None:
        good = isinstance(value, int) and not isinstance(value, bool)
        good = good and low <= value and (high is None or value <= high)
        digits = f", written {int(value)}" if isinstance(value, float) and value.is_integer() else ""
        return None if good else f"a whole number {bounds}{digits}"
    return rule


def number(low: float = -math.inf, high: float = math.inf, above: bool = False, below: bool = False) -> Rule:
    """low <= value <= high; `above`, `below`: without the bound itself"""
    words = [f"{'above' if above else 'at least'} {low:g}"] if low > -math.inf else []
    words += [f"{'below' if below else 'at most'} {high:g}"] if high < math.inf else []

    def rule(value: Any) -> str | None:
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        good = good and low <= value <= high and not (above and value == low) and not (below and value == high)
        return None if good else f"a number {' and '.join(words)}" if words else "a finite number"
    return rule


def one_of(*names: str | int | None) -> Rule:
    def rule(value: Any) -> str | None:
        if value in names:
            return None
        return "one of " + ", ".join(map(as_typed, names)) + nearest(str(value), filter(None, map(str, names)))
    return rule


def list_of(rule: Rule, length: int | None = None, empty: bool = False) -> Rule:
    def check(value: Any) -> str | None:
        wanted = f"a list of {length} values, each " if length else "a list, e.g. [a,b], each value "
        good = isinstance(value, list) and (empty or value) and (length is None or len(value) == length)
        wrong = [] if not good else [each for each in map(rule, value) if each]
        return None if good and not wrong else wanted + (wrong[0] if wrong else rule(object()) or "as documented")
    return check


def optional(rule: Rule) -> Rule:
    return lambda value: None if value is None or not rule(value) else f"{rule(value)}, or null"


def either(*rules: Rule) -> Rule:
    def check(value: Any) -> str | None:
        wanted = [rule(value) for rule in rules]
        return None if None in wanted else ", or ".join(wanted)
    return check


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text"


def a_class(value: Any) -> str | None:
    return text(value) and integer(0)(value) and "the name of a class, or its number, of at least 0"


def sum_of_images(value: Any) -> str | None:
    numbers = r"\s*\d+(?:[\s,]+\d+)*\s*"
    group = rf"(?:{numbers}|\s*\[{numbers}\]\s*)"
    good = isinstance(value, str) and re.fullmatch(rf"[+-]?{group}(?:[+-]{group})*", value)
    return None if good else "groups of image numbers with + or - between them, e.g. 1,2,3-4,5,6+7,8,9"


def finite(value: Any) -> str | None:
    return "finite" if isinstance(value, float) and not math.isfinite(value) else None

def scheduled(path: str, rule: Rule) -> dict[str, Rule]:
    """A number, or a schedule from one such number to another."""
    return {path: rule, f"{path}.start": rule, f"{path}.end": rule, f"{path}.value": rule,
            f"{path}.images": integer(1), f"{path}.begin_at": integer(0)}


def rule_for(path: str) -> Rule | None:
    return next((rule for pattern, rule in RULES.items() if fnmatchcase(path, pattern)), None)


SEED = integer(0, 2**63 - 1)
COUNT = integer(1)
PROBABILITY = number(0, 1)
NORMALIZATION = one_of("none", "batch", "layer", "instance")

RULES: dict[str, Rule] = {
    # The experiment
    "trick": list_of(text, empty=True),
    "seed": SEED,
    "budget.images": COUNT,
    "precision": one_of("32-true", "bf16-mixed"),
    "threads": optional(COUNT),
    "run.dir": optional(text),
    # Data
    "data.name": text,
    "data.root": optional(text),
    "data.cache": optional(text),
    "data.channels": COUNT,
    "data.image_size": COUNT,
    "data.num_classes": integer(0),
    "data.batch_size": COUNT,
    "data.num_workers": integer(0),
    "data.horizontal_flip": boolean,
    "data.subset_size": optional(COUNT),
    "data.seed": SEED,
    "data.split_seed": SEED,
    "data.fit": one_of("pad", "resize"),
    "data.resize": one_of("short_side", "stretch", "none"),
    "data.crop": one_of("center", "random", "none"),
    "data.extensions": list_of(text),
    "data.corrupt": one_of("skip", "fail"),
    "data.train_fraction": optional(number(0, 1, above=True)),
    "data.max_pixels": integer(1, 89_478_485),  # Pillow's own limit
    # Models
    "model.latents.size": COUNT,
    "model.latents.distribution": one_of("normal", "uniform"),
    "model.latents.low": number(),
    "model.latents.high": number(),
    "model.generator.latent_dim": COUNT,
    "model.*.channels": COUNT,
    "model.*.image_size": COUNT,
    "model.*.width": COUNT,
    "model.*.widths": list_of(COUNT),
    "model.*.kernel_size": COUNT,
    "model.*.kernel_sizes": list_of(integer(2)),
    "model.*.maps": list_of(COUNT),
    "model.*.first_maps": COUNT,
    "model.*.num_classes": COUNT,
    "model.*.embedding_size": optional(COUNT),
    "model.*.normalization": NORMALIZATION,
    "model.*.normalization_position": one_of("before", "after"),
    "model.*.normalize_first": boolean,
    "model.*.activate_output": boolean,
    "model.*.negative_slope": number(0, 1, below=True),
    "model.*.epsilon": number(0, above=True),
    "model.*.momentum": number(0, 1, above=True),
    "model.*.dropout": either(number(0, 1, below=True), list_of(number(0, 1, below=True))),
    "model.*.pooling": one_of("mean", "sum"),
    "model.*.initialisation": text,  # the network says which
    "model.turns.discriminator_steps": COUNT,
    "model.turns.generator_steps": COUNT,
    "model.turns.generator_batch_multiple": COUNT,
    "model.turns.fake_batch_multiple": COUNT,
    "model.turns.scoring": one_of("separate", "together", "half"),
    "model.turns.fakes_in_eval": boolean,
    "model.turns.*_warmup_images": integer(0),
    # Losses and optimizers
    "loss.reduction": one_of("sum", "mean"),
    "optimizer.*.lr": number(0, above=True),
    "optimizer.*.betas": list_of(number(0, 1, below=True), length=2),
    "optimizer.*.alpha": number(0, 1, below=True),
    "optimizer.*.eps": number(0),
    "optimizer.*.weight_decay": number(0),
    "optimizer.*.fused": optional(boolean),
    **scheduled("optimizer.schedule", number(0)),
    # Tricks
    **scheduled("tricks.label_smoothing.real", PROBABILITY),
    **scheduled("tricks.label_smoothing.fake", PROBABILITY),
    **scheduled("tricks.label_flip.probability", PROBABILITY),
    **scheduled("tricks.instance_noise.sigma", number(0)),
    **scheduled("tricks.*.weight", number(0)),
    **scheduled("tricks.*.gamma", number(0)),
    "tricks.*.every": COUNT,
    **scheduled("tricks.weight_clipping.limit", number(1e-6)),
    **scheduled("tricks.auxiliary_classifier.discriminator_weight", number(0)),
    **scheduled("tricks.auxiliary_classifier.generator_weight", number(0)),
    "tricks.auxiliary_classifier.fakes": boolean,
    "tricks.spectral_norm.generator": boolean,
    "tricks.spectral_norm.power_iterations": COUNT,
    **scheduled("tricks.ema.half_life_images", number(1)),
    "tricks.ema.rampup": optional(number(0, above=True)),
    # Drawing
    "run": optional(text),
    "output": optional(text),
    "overwrite": boolean,
    "class": optional(a_class),
    "layout": one_of("rows", "columns"),
    "count": optional(COUNT),
    "columns": optional(COUNT),
    "files": boolean,
    "interpolate": list_of(SEED, empty=True),
    "interpolate_class": list_of(a_class, empty=True),
    "steps": integer(2),
    "arithmetic": optional(sum_of_images),
    # Measuring
    "extractor.seed": SEED,
    "extractor.image_size": COUNT,
    "extractor.weights": optional(text),
    "metrics.is.splits": COUNT,
    "metrics.fid_infinity.points": integer(2),
    "metrics.fid_infinity.smallest_share": number(0, 1, above=True, below=True),
    "metrics.kid.subsets": COUNT,
    "metrics.kid.subset_size": integer(2),
    "metrics.kid.degree": COUNT,
    "metrics.*.neighbours": COUNT,
    "metrics.duplicates.quantile": number(0, 1, above=True, below=True),
    "metric": optional(list_of(text)),
    "real": optional(text),
    "fake": optional(text),
    "split": one_of("train", "test"),
    "num_fake": optional(COUNT),
    "num_real": optional(COUNT),
    "resamples": integer(0),
    "weights": one_of("ema", "raw", None),
    "batchnorm": one_of("running", "standing", "batch"),
    "standing_batches": COUNT,
    "image_size": optional(COUNT),
    "resize": one_of("stretch", "short_side"),
    "channels": one_of(1, 3, None),
    "extensions": list_of(text),
    "num_workers": integer(0),
    "device": one_of("auto", "cpu", "gpu"),
    "remember": boolean,
    # What looks, and where it runs
    "callbacks.*.every_images": optional(COUNT),
    "callbacks.*.every_minutes": optional(number(0, above=True)),
    "callbacks.*.moments": list_of(integer(0), empty=True),
    "callbacks.*.count": COUNT,
    "callbacks.*.per_class": integer(0),
    "callbacks.*.seed": SEED,
    "callbacks.*.metric": optional(list_of(text, empty=True)),
    "callbacks.*.num_fake": COUNT,
    "callbacks.*.num_real": optional(COUNT),
    "callbacks.*.line_seconds": number(0, above=True),
    "logger": lambda value: None,  # none: an empty group
    "logger.name": text,
    "logger.version": text,
    "logger.default_hp_metric": boolean,
    "trainer.accelerator": one_of("auto", "cpu", "gpu"),
    "trainer.devices": COUNT,
    "trainer.channels_last": boolean,
}
