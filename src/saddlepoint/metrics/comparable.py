"""Which values may be compared and which of two is better. Nothing here imports torch, for those who only read
values."""

import math
from collections.abc import Mapping
from typing import Any

# Fields of a protocol that may differ between values that are compared. A CPU and a GPU that does not round to TF32
# agree to about 1e-4 of a value, which is less than another seed changes it by. Metrics always switch TF32 off since
# it is recorded; before, it was on in the convolutions of a GPU, and nothing says so. The name of a published protocol
# adds nothing to the fields that it fixes. Which labels a run of few labels knows follows from its seed.
MAY_DIFFER = ("seed", "versions", "revision", "device", "tf32", "name", "labelling_seed", "labelling")
# Fields that follow from others: shares of modes from the real images.
FOLLOWING = ("settings.shares_of_data",)

# In the details of a measurement: mean and standard deviation of the value that a perfect generator would have.
PERFECT, PERFECT_STD = "perfect", "perfect_std"

# Name of a metric without its extractor -> whether a greater value is better. A test compares this with the classes.
# neighbour_distance is missing: about 1 is right, neither more nor less is better.
GREATER_IS_BETTER = {
    "fid": False, "fid_infinity": False, "sfid": False, "is": True, "kid": False, "cmmd": False, "precision": True,
    "recall": True, "density": True, "coverage": True, "ppl": False, "duplicates": False, "label_accuracy": True,
    "rarest_class": True, "class_fid": False,
    "class_shares": False,
    "modes": True, "high_quality": True, "mode_kl": False,
    "psnr_y": True, "ssim_y": True, "psnr_rgb": True, "ssim_rgb": True, "niqe": False, "lpips": False,
    "mean_error": False, "cycle_error": False, "kept_class": True,
    "code_accuracy": True, "reconstruction_error": False, "classification_error": False,
}


def differing_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Returns the names of the fields in which two protocols differ, without those that may. A field that is absent, as
    in files of earlier versions, counts as null."""
    return [name for name in {**one, **other} if name not in MAY_DIFFER and one.get(name) != other.get(name)]


def perfect_value(details: Mapping[str, Any]) -> float | None:
    """Returns the value that a perfect generator would have, from the details of a measurement; None: not known.

    Details of other metrics go by the names of classes, of which one might be `perfect`, but hardly both.
    """
    value = details.get(PERFECT) if PERFECT_STD in details else None
    return value if isinstance(value, float | int) and math.isfinite(value) else None


def greater_is_better(name: str, extractor: str = "") -> bool | None:
    """Returns whether a greater value of a metric is better; None if neither direction is, or the metric is unknown.

    `name` is as in metrics.json, with the extractor at its end, e.g. fid_digits, or fid_digits/short of an average of
    the generator called short.
    """
    name = name.partition("/")[0]
    metric = name.removesuffix(f"_{extractor}") if extractor else name
    return GREATER_IS_BETTER.get(metric)
