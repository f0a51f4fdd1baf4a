"""Values with the protocol by which they were measured. Values of different protocols are never ranked together."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

import torch

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.environment import revision, versions
from saddlepoint.game.devices import name_of
from saddlepoint.metrics.comparable import differing_fields, perfect_value
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Measurement, Sample
from saddlepoint.metrics.stored_reference import StoredReference


@dataclass(frozen=True)
class Protocol:
    """Everything but the quality of the images that changes a metric. docs/metrics.md says by how much."""

    extractor: str
    digest: str  # SHA-256 of the extractor's weights
    resize: str  # how the extractor brings images to its size
    reference: str  # the real images: a data set's name or a folder's
    reference_digest: str  # of their content
    split: str  # train, test, or all of a folder
    framing: str  # how the real images were brought to their size: none, pad, resize, short_side, stretch, or unknown
    num_real: int | None  # None: a file of statistics does not tell
    num_fake: int
    image_size: int | list[int] | None  # pixels of a side of squares, or height and width; None: of points
    seed: int  # of the fakes' latents and of every random choice of the metrics
    ema: bool | None  # True: an average's weights; False: the trained ones; None: the fakes came as files
    batchnorm: str  # running, standing or batch statistics, or none
    quantisation: str
    name: str | None = None  # of the published protocol that these fields follow, e.g. adm; None: of none
    reference_resize: str | None = None  # of a file of statistics: how its images came to the extractor's size, or
    #                                      unknown; None: as the fakes did, by `resize`
    fake_framing: str | None = None  # framing of the fakes, or of their model's training images; None: as the real ones
    truncation: str | None = None  # of a run's styles or latents, a formula; None: none
    splits: int | None = None  # of the Inception Score
    settings: Mapping[str, Any] = field(default_factory=dict)  # what the metric's definition leaves open
    versions: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""  # of the code that measured
    device: str = ""  # that measured: a card's name, or CPU; empty: not recorded
    tf32: bool | None = None  # False: fakes and features came from exact float32 products; None: not recorded

    def differences(self, other: "Protocol") -> list[str]:
        """Returns the names of the fields in which the protocols differ, so that their values must not be compared."""
        return differing_fields(asdict(self), asdict(other))


@dataclass(frozen=True)
class Value:
    """A measured number as it stands in metrics.json."""

    name: str  # with the extractor: fid_digits
    value: float  # nan: there is none
    interval: tuple[float, float] | None  # 95 %
    images_seen: int | None  # by the model that made the fakes; None: they came as files
    details: Mapping[str, float]
    protocol: Protocol
    reason: str = ""  # why there is no value; or no interval, though one was asked for

    def as_json(self) -> dict[str, Any]:
        """Returns the entry for metrics.json, with null for numbers that are not finite."""
        details = {name: finite_or_none(value) for name, value in self.details.items()}
        interval = None if self.interval is None else list(self.interval)
        return asdict(self) | {"value": finite_or_none(self.value), "interval": interval, "details": details}

    @property
    def perfect(self) -> float | None:
        """Returns the value that a perfect generator would have on as many fakes; None: not known."""
        return perfect_value(self.details)

    def in_words(self) -> str:
        """Returns the name with the value, beside it that of a perfect generator if it is known, e.g. `modes_mixture 7
        (perfect 8)`; or the reason why there is no value."""
        if not math.isfinite(self.value):
            return f"{self.name} none ({self.reason})"
        perfect = "" if self.perfect is None else f" (perfect {self.perfect:.4g})"
        return f"{self.name} {self.value:.4g}{perfect}"

    def missing_note(self) -> str:
        """Returns a sentence about a missing value or interval with its reason; empty if nothing is missing."""
        return f"{self.name} has no {'interval' if math.isfinite(self.value) else 'value'}: {self.reason}" \
            if self.reason else ""


def finite_or_none(value: float) -> float | None:
    """Returns the number, or None if it is not finite, as JSON has only finite numbers."""
    return value if math.isfinite(value) else None


def protocol(extractor: Extractor, real: EvaluationImages | StoredReference, reference: Sample, num_fake: int,
             seed: int, ema: bool | None, batchnorm: str, quantisation: str = "8 bits, rounded",
             fake_framing: str | None = None, truncation: str | None = None) -> Protocol:
    """Returns the protocol of fakes that are compared with `real`, without what single metrics add to it.

    real: images; or a StoredReference, the statistics of some
    reference: the sample of the real images that could be read
    ema: True for averaged weights, False for the trained ones, None for fakes that came as files
    batchnorm: whose statistics it used, as `kind_of_batchnorm` returns it
    quantisation: how the fakes came to 8 bits, unless they are points
    fake_framing: framing of the fakes, or of their model's training images
    truncation: how latents or styles were truncated
    """
    tensor = next(chain(extractor.parameters(), extractor.buffers()), None)
    stored, sides = isinstance(real, StoredReference), sides_of(real.image_size)
    resize = extractor.resize if sides.is_square else f"{extractor.resize} (of {sides.words})"
    size = None if real.dimensions is not None else sides.height if sides.is_square else [*sides]
    return Protocol(extractor.name, extractor.digest, resize, real.name, reference.digest, real.split, real.framing,
                    real.count if stored else reference.count, num_fake,
                    size, seed, ema, batchnorm, quantisation if real.dimensions is None else "none",
                    reference_resize=real.resize_beside(extractor) if stored else None,
                    fake_framing=None if fake_framing == real.framing else fake_framing, truncation=truncation,
                    versions=versions(), revision=revision(),
                    device=name_of(tensor.device if tensor is not None else torch.device("cpu")),
                    tf32=False)  # extractors and generators that are measured compute in game/modes.exact_float32


def full_name(metric: str, extractor: str) -> str:
    return f"{metric}_{extractor}"


def values(measurements: Mapping[str, Measurement], protocol: Protocol, images_seen: int | None,
           fields: Mapping[str, Mapping[str, Any]] | None = None) -> list[Value]:
    """Returns the measurements, which come by the metric's name, as values with their protocols.

    fields: metric -> fields of the protocol that have another value for this metric
    """
    return [_value(metric, measurement, protocol, images_seen, (fields or {}).get(metric, {}))
            for metric, measurement in measurements.items()]


def of_average(name: str, measured_values: Iterable[Value]) -> list[Value]:
    """Returns the values of a further average of the generator (tricks.ema.also) with its name, e.g. fid_digits/short,
    so that they are ranked among each other only."""
    return [replace(value, name=f"{value.name}/{name}") for value in measured_values]


def _value(metric: str, measurement: Measurement, protocol: Protocol, images_seen: int | None,
           fields: Mapping[str, Any]) -> Value:
    settings = dict(measurement.settings)
    own = replace(protocol, **{"splits": settings.pop("splits", None), "settings": settings, **measurement.through,
                               **fields})
    return Value(full_name(metric, own.extractor), measurement.value, measurement.interval, images_seen,
                 dict(measurement.details), own, measurement.reason)


def format_table(measured_values: Iterable[Value]) -> str:
    """Returns a table of names, values and intervals for a terminal, with values of a perfect generator where some are
    known, and below it the reasons for missing ones."""
    measured_values = [*measured_values]
    with_perfect = any(each.perfect is not None for each in measured_values)
    rows = [("metric", "value", "95 % interval", *(["perfect generator"] if with_perfect else []))]
    for each in measured_values:
        value = f"{each.value:.4g}" if math.isfinite(each.value) else "none"
        interval = f"{each.interval[0]:.4g} to {each.interval[1]:.4g}" if each.interval else ""
        perfect = "" if each.perfect is None else f"{each.perfect:.4g}"
        rows.append((each.name, value, interval or ("none" if each.reason else ""),
                     *([perfect] if with_perfect else [])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join((row[0].ljust(widths[0]), row[1].rjust(widths[1]),
                        *(text.ljust(width) for text, width in zip(row[2:], widths[2:], strict=True)))).rstrip()
             for row in rows]
    return "\n".join([*lines, *filter(None, (each.missing_note() for each in measured_values))])
