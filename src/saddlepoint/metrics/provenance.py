"""What a number needs to be compared: its protocol. Numbers of unlike protocols are never ranked together."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from saddlepoint.data.evaluation_images import EvaluationImages
from saddlepoint.environment import revision, versions
from saddlepoint.metrics.comparable import SAME_NUMBER
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Measurement, Sample


@dataclass(frozen=True)
class Protocol:
    """Everything that moves a metric beside the images' quality. docs/metrics.md says by how much."""

    extractor: str
    digest: str  # SHA-256 of the extractor's weights
    resize: str  # how the extractor brings images to its size
    reference: str  # the real images: a data set's name or a folder's
    reference_digest: str  # of their content
    split: str  # train, test, or all of a folder
    framing: str  # how the real images were brought to their size: none, pad, resize, short_side, stretch
    num_real: int
    num_fake: int
    image_size: int
    seed: int  # of the fakes' latents and of every random choice of the metrics
    ema: bool | None  # True: an average's weights; False: the trained ones; None: the fakes came as files
    batchnorm: str  # running, standing or batch statistics, or none
    quantisation: str
    fake_framing: str | None = None  # how fakes, or what their model learned from, were; None: as the real images
    splits: int | None = None  # of the Inception Score
    settings: Mapping[str, Any] = field(default_factory=dict)  # what the metric's definition leaves open
    versions: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""  # of the code that measured

    def differences(self, other: "Protocol") -> list[str]:
        """The fields that forbid to compare, by name."""
        return unlike(asdict(self), asdict(other))


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of what forbids to compare; a field that an earlier version did not write counts as null."""
    return [name for name in {**one, **other} if name not in SAME_NUMBER and one.get(name) != other.get(name)]


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
        details = {name: or_null(value) for name, value in self.details.items()}
        interval = None if self.interval is None else list(self.interval)
        return asdict(self) | {"value": or_null(self.value), "interval": interval, "details": details}

    def lacking(self) -> str:
        """A sentence about what there is none of; empty where nothing is missing."""
        return f"{self.name} has no {'interval' if math.isfinite(self.value) else 'value'}: {self.reason}" \
            if self.reason else ""


def or_null(value: float) -> float | None:
    """JSON has no word for what is not finite."""
    return value if math.isfinite(value) else None


def protocol(extractor: Extractor, real: EvaluationImages, reference: Sample, num_fake: int, seed: int,
             ema: bool | None, batchnorm: str, quantisation: str = "8 bits, rounded",
             fake_framing: str | None = None) -> Protocol:
    return Protocol(extractor.name, extractor.digest, extractor.resize, real.name, reference.digest, real.split,
                    real.framing, reference.count, num_fake, real.image_size, seed, ema, batchnorm, quantisation,
                    None if fake_framing == real.framing else fake_framing, versions=versions(), revision=revision())


def named(metric: str, extractor: str) -> str:
    return f"{metric}_{extractor}"


def values(measured: Mapping[str, Measurement], protocol: Protocol, images_seen: int | None) -> list[Value]:
    """measured: by the metric's name"""
    return [_value(metric, measurement, protocol, images_seen) for metric, measurement in measured.items()]


def _value(metric: str, measurement: Measurement, protocol: Protocol, images_seen: int | None) -> Value:
    settings = dict(measurement.settings)
    own = Protocol(**{**vars(protocol), "splits": settings.pop("splits", None), "settings": settings})
    return Value(named(metric, protocol.extractor), measurement.value, measurement.interval, images_seen,
                 dict(measurement.details), own, measurement.reason)


def table(measured: Iterable[Value]) -> str:
    """Name, value and interval in columns, for a terminal; below, why some are missing."""
    rows, reasons = [("metric", "value", "95 % interval")], []
    for each in measured:
        value = f"{each.value:.4g}" if math.isfinite(each.value) else "none"
        between = f"{each.interval[0]:.4g} to {each.interval[1]:.4g}" if each.interval else ""
        rows.append((each.name, value, between or ("none" if each.reason else "")))
        reasons.append(each.lacking())
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join((row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2])).rstrip() for row in rows]
    return "\n".join([*lines, *filter(None, reasons)])
