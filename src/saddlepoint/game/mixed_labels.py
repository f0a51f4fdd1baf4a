"""Labels between two classes, for networks that were trained on whole classes only. N images."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from saddlepoint.errors import RequestError


class MixedLabels(Tensor):
    """Labels [N] in which image i is (1 - fraction[i]) of class start[i] and fraction[i] of class end[i].

    A network handles them as int64 labels. Every function of labels alone is computed twice, for the start classes and
    for the end classes. As soon as its result is floating point (an embedding, the scale and shift of a normalisation,
    a one-hot vector), the two results are mixed linearly and the network continues with an ordinary tensor. Miyato and
    Koyama 2018, https://arxiv.org/abs/1802.05637, section 5.1, mix the scales and shifts of a conditional BatchNorm in
    this way ("category morphing").
    """

    start: Tensor
    end: Tensor
    fraction: Tensor

    @staticmethod
    def __new__(cls, start: Tensor, end: Tensor, fraction: Tensor) -> "MixedLabels":
        labels = start.as_subclass(cls)
        labels.start, labels.end, labels.fraction = start, end, fraction
        return labels

    def __repr__(self) -> str:
        return f"MixedLabels({self.start}, {self.end}, {self.fraction})"

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        """Replaces every torch function that is called on labels (see "Extending torch" in torch's documentation)."""
        everything = (arguments, keywords or {})
        fraction = next(_mixtures(everything)).fraction
        start_arguments, start_keywords = _side(everything, "start")
        end_arguments, end_keywords = _side(everything, "end")
        return _mixed(function(*start_arguments, **start_keywords), function(*end_arguments, **end_keywords), fraction)


def _mixtures(value: Any) -> Iterator[MixedLabels]:
    """Yields all MixedLabels in nested containers."""
    if isinstance(value, MixedLabels):
        yield value
    elif isinstance(value, Mapping | tuple | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _mixtures(each)


def _side(value: Any, side: str) -> Any:
    """Returns nested containers with each MixedLabels replaced by its labels of one side, `start` or `end`."""
    if isinstance(value, MixedLabels):
        return getattr(value, side)
    if isinstance(value, Mapping):
        return {key: _side(each, side) for key, each in value.items()}
    return type(value)(_side(each, side) for each in value) if type(value) in (tuple, list) else value


def _mixed(start: Any, end: Any, fraction: Tensor) -> Any:
    if type(start) in (tuple, list):
        return type(start)(_mixed(one, other, fraction) for one, other in zip(start, end, strict=True))
    if not isinstance(start, Tensor):
        same = start is not None and start == end  # a shape or a device, the same for any labels
    else:
        same = start is not end and (start.shape[:1] == fraction.shape or not start.is_floating_point())
    if not same:  # one tensor that both wrote to, or not one value per image
        raise RequestError("This generator does not read its labels one by one, so there is nothing between two "
                           "classes: walk within one, e.g. class=0 'interpolate=[1,2]'")
    if not isinstance(start, Tensor):
        return start
    if not start.is_floating_point():
        return MixedLabels(start, end, fraction)
    return torch.lerp(start, end, fraction.to(start).view(-1, *[1] * (start.dim() - 1)))
