"""Finds out which upscaling network a file of weights belongs to, from the names and shapes of its tensors.

Reads files of BasicSR and Real-ESRGAN, of the first ESRGAN (https://github.com/xinntao/ESRGAN), of BSRGAN and RealSR,
and of saddlepoint's SRResNet. The tensors may be inside other dictionaries (`params_ema`, `state_dict`), and all names
may begin with one prefix (`module.`). The names and shapes must then be exactly those of the network. What they do not
tell of it stands in the metadata of a file that saddlepoint wrote.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from saddlepoint.errors import RequestError
from saddlepoint.networks.rrdb import DOUBLINGS, FOLDS, RRDBNet, UnfoldedRRDBNet
from saddlepoint.networks.srresnet import MSRResNet, SRResNet
from saddlepoint.networks.srvgg import SRVGGNetCompact

KNOWN = ("RRDBNet (ESRGAN, Real-ESRGAN, BSRGAN), SRVGGNetCompact or MSRResNet in BasicSR's layout, RRDBNet in the "
         "first ESRGAN's, SRResNet in saddlepoint's")
WRAPPERS = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net", "net_g", "netG")
AVERAGED = "params_ema"  # preferred where a file has other weights too, and so first in WRAPPERS
NO_METADATA: Mapping[str, str] = MappingProxyType({})
TENSORS_ALONE: Mapping[str, str] = MappingProxyType({"skip": "false"})  # metadata where the rest does not matter
DEEPEST = 5  # most dictionaries or prefixes around the weights
DRAWS = ("normal_", "uniform_", "kaiming_uniform_")  # functions of tensors and torch.nn.init that draw weights
_FIRST_ESRGAN = (
    (r"model\.0\.(\w+)", r"conv_first.\1"),
    (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(\w+)", r"body.\1.rdb\2.conv\3.\4"),
    (r"model\.1\.sub\.\d+\.(\w+)", r"conv_body.\1"),
)
_BSRGAN = (
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.(.+)", r"body.\1.rdb\2.\3"),
    (r"trunk_conv\.(\w+)", r"conv_body.\1"),
    (r"upconv(\d)\.(\w+)", r"conv_up\1.\2"),
    (r"HRconv\.(\w+)", r"conv_hr.\1"),
)


def _names_of_first_esrgan(weights: Mapping[str, Tensor]) -> tuple[tuple[str, str], ...]:
    """Returns patterns from the first ESRGAN's names to ours. Its layers are numbered in one nn.Sequential: a doubling
    has three of them (nearest pixels, a convolution, an activation), the two convolutions after it two and one."""
    last = max(int(match[1]) for match in (re.match(r"model\.(\d+)\.", name) for name in weights) if match)
    doublings = (last - 4) // 3
    last_layers = {3 * number: f"conv_up{number}" for number in range(1, doublings + 1)}
    last_layers |= {3 * doublings + 2: "conv_hr", 3 * doublings + 4: "conv_last"}
    return *_FIRST_ESRGAN, *((rf"model\.{place}\.(\w+)", rf"{name}.\1") for place, name in last_layers.items())


@dataclass(frozen=True)
class Recognised:
    """The network that a file of weights fits, with the weights under our names."""

    network: type[nn.Module]
    arguments: dict[str, int | str | bool]  # of its constructor
    state: dict[str, Tensor]  # under our names
    layout: str  # whose names the file has


def recognise(state: Mapping[str, Tensor], metadata: Mapping[str, str] = NO_METADATA) -> Recognised:
    """Returns the network that a state dict, or a dict that contains one, fits exactly; refuses all others.

    metadata: as `untold` returns it
    """
    weights = _without_prefixes(_unwrapped(state))
    for layout, (signature, names, read_arguments) in _LAYOUTS.items():
        if signature in weights:
            patterns = names(weights) if callable(names) else names
            weights = {_translated(name, patterns): values for name, values in weights.items()}
            network, arguments = read_arguments(_Shapes(weights))
            _require_fit(network, arguments, weights)
            return Recognised(network, arguments | _told(network, metadata), weights, layout)
    raise RequestError(f"These weights fit no network known here ({KNOWN}): {_list_tensors(weights)}. Type "
                       "weights=realesrgan_x4plus, or give a file of one of these networks")


def untold(network: nn.Module) -> dict[str, str]:
    """Returns the arguments of a network that its tensors do not tell, as JSON, for the metadata of their file."""
    return {"skip": json.dumps(network.skip)} if isinstance(network, SRResNet) else {}


def _told(network: type[nn.Module], metadata: Mapping[str, str]) -> dict[str, bool]:
    """Returns the arguments that `untold` put into the metadata. Refuses metadata without them."""
    if network is not SRResNet:
        return {}
    if metadata.get("skip") not in ("true", "false"):
        raise RequestError("These weights are those of an SRResNet, and the file does not say whether it adds the "
                           "enlarged input to its output (model.generator.skip): type weights=RUN, the directory of "
                           "the run that wrote them, or save them by safetensors with the metadata "
                           '{"skip": "true"} or {"skip": "false"}')
    return {"skip": json.loads(metadata["skip"])}


def build(state: Mapping[str, Tensor], metadata: Mapping[str, str] = NO_METADATA) -> nn.Module:
    """Builds the network that a file of weights fits and loads them, in float32 on the CPU. metadata: see recognise."""
    recognised = recognise(state, metadata)
    network = _without_weights(recognised.network, recognised.arguments)
    copies = {name: recognised.state[name].to("cpu", values.dtype, copy=True)
              for name, values in network.state_dict().items()}
    network.load_state_dict(copies, strict=True, assign=True)
    return network.to(memory_format=torch.channels_last)  # faster on a CPU


class _NoDraws(TorchFunctionMode):
    """A mode that skips drawing first weights, which would be replaced and which takes seconds on the meta device."""

    def __torch_function__(self, function: Callable, types, args=(), kwargs=None):
        if function.__name__ in DRAWS:
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return function(*args, **(kwargs or {}))


def _without_weights(network: type[nn.Module], arguments: dict[str, int | str | bool]) -> nn.Module:
    """Builds the network without memory for its weights, so that a small file cannot claim a huge network."""
    with torch.device("meta"), _NoDraws():
        return network(**arguments)


class _Shapes:
    """The sizes of a file's tensors. Refuses a file that lacks a convolution, or has it with other dimensions."""

    def __init__(self, weights: Mapping[str, Tensor]):
        self.weights = weights

    def convolution(self, name: str) -> tuple[int, int, int]:
        """Returns (outputs, inputs, kernel size) of a convolution; inputs come first for a transposed one."""
        weight = self.weights.get(f"{name}.weight")
        if weight is None or weight.ndim != 4 or 0 in weight.shape:
            raise RequestError(f"These weights have no convolution {name}.weight where one is expected: "
                               + _list_tensors(self.weights))
        return weight.shape[0], weight.shape[1], weight.shape[2]

    def count(self, pattern: str) -> int:
        """Returns how many different beginnings of tensor names match the pattern."""
        return len({match[0] for match in (re.match(pattern, name) for name in self.weights) if match})


def _rrdbnet(shapes: _Shapes) -> tuple[type[nn.Module], dict]:
    width, folded, _ = shapes.convolution("conv_first")
    channels, doublings = shapes.convolution("conv_last")[0], shapes.count(r"conv_up\d+\.")
    scales = {(channels * fold**2, 2): (RRDBNet, scale) for scale, fold in FOLDS.items()}
    scales |= {(channels, count): (UnfoldedRRDBNet, scale) for scale, count in DOUBLINGS.items() if count != 2}
    if (folded, doublings) not in scales:
        raise RequestError(f"These weights are an RRDBNet of {doublings} doublings whose first layer reads {folded} "
                           f"channels and whose last writes {channels}: it must read as many (x4 with 2 doublings; x1, "
                           "x2 or x8 with 0, 1 or 3), or, with 2 doublings, 4 times (x2) or 16 times as many (x1)")
    network, scale = scales[folded, doublings]
    return network, {"channels": channels, "scale": scale, "width": width,
                     "growth": shapes.convolution("body.0.rdb1.conv1")[0],
                     "num_blocks": shapes.count(r"body\.\d+\.")}


def _srvgg(shapes: _Shapes) -> tuple[type[nn.Module], dict]:
    width, channels, _ = shapes.convolution("body.0")
    num_convolutions = (shapes.count(r"body\.\d+\.") - 3) // 2
    shuffled = shapes.convolution(f"body.{2 * num_convolutions + 2}")[0]
    return SRVGGNetCompact, {"channels": channels, "scale": math.isqrt(shuffled // channels), "width": width,
                             "num_convolutions": num_convolutions}


def _msrresnet(shapes: _Shapes) -> tuple[type[nn.Module], dict]:
    width, channels, _ = shapes.convolution("conv_first")
    factor = math.isqrt(shapes.convolution("upconv1")[0] // width)
    return MSRResNet, {"channels": channels, "scale": factor ** shapes.count(r"upconv\d\."), "width": width,
                       "num_blocks": shapes.count(r"body\.\d+\.")}


def _srresnet(shapes: _Shapes) -> tuple[type[nn.Module], dict]:
    width, channels, _ = shapes.convolution("first.0")
    outputs, _, kernel_size = shapes.convolution("upsampling.0.0")
    shuffled = kernel_size == 3  # a transposed convolution's kernel is its factor + 2
    factor = math.isqrt(outputs // width) if shuffled else kernel_size - 2
    return SRResNet, {"channels": channels, "scale": factor ** shapes.count(r"upsampling\.\d+\."), "width": width,
                      "num_blocks": shapes.count(r"body\.\d+\.0\."),
                      "upsampling": "pixel_shuffle" if shuffled else "transposed",
                      "normalization": "batch" if shapes.count(r".*\.running_mean") else "none"}


# By layout: a tensor that only it has; patterns from its names to ours; the function that reads the constructor's
# arguments.
_LAYOUTS: dict[str, tuple[str, tuple | Callable, Callable[[_Shapes], tuple[type[nn.Module], dict]]]] = {
    "BasicSR": ("body.0.rdb1.conv1.weight", (), _rrdbnet),
    "first ESRGAN": ("model.1.sub.0.RDB1.conv1.0.weight", _names_of_first_esrgan, _rrdbnet),
    "BSRGAN": ("RRDB_trunk.0.RDB1.conv1.weight", _BSRGAN, _rrdbnet),
    "BasicSR, MSRResNet": ("upconv1.weight", (), _msrresnet),
    "saddlepoint": ("upsampling.0.0.weight", (), _srresnet),
    "BasicSR, compact": ("body.0.weight", (), _srvgg),
}


def _unwrapped(state: Mapping[str, Any]) -> Mapping[str, Tensor]:
    """Returns the innermost dictionary, and refuses one that is no state dict."""
    weights = state
    for _ in range(DEEPEST):  # a bound, since a dictionary may contain itself
        weights = next((weights[name] for name in WRAPPERS if isinstance(weights.get(name), Mapping)), weights)
    if not all(isinstance(values, Tensor) for values in weights.values()):
        raise RequestError(f"These weights are not a state dict (names and tensors) of a network known here ({KNOWN}), "
                           f"bare or under {', '.join(WRAPPERS)}: found {', '.join(map(str, list(state)[:5]))}")
    return {str(name): values for name, values in weights.items()}


def _without_prefixes(weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Removes prefixes that all names have (`module.`) until a layout is recognised.

    Where a file has averaged weights beside others, keeps only the averaged ones.
    """
    inner = weights
    for _ in range(DEEPEST):
        if any(signature in inner for signature, *_ in _LAYOUTS.values()):
            return inner
        first = {name.partition(".")[0] for name in inner}
        shared = AVERAGED if first == {AVERAGED, "params"} else first.pop() if len(first) == 1 else None
        inner = {name.removeprefix(f"{shared}."): values for name, values in inner.items()
                 if name.startswith(f"{shared}.")}
    return weights


def _translated(name: str, patterns: tuple[tuple[str, str], ...]) -> str:
    for pattern, ours in patterns:
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    return name


def _require_fit(network: type[nn.Module], arguments: dict, weights: Mapping[str, Tensor]) -> None:
    described = f"{network.__name__}({', '.join(f'{name}={value}' for name, value in arguments.items())})"
    try:
        expected = {name: tuple(values.shape)
                    for name, values in _without_weights(network, arguments).state_dict().items()}
    except ValueError as error:
        raise RequestError(f"These weights look like {described}, which cannot be: {error}") from error
    actual = {name: tuple(values.shape) for name, values in weights.items()}
    differing = [f"{name} is {actual.get(name, 'missing')}, expected {expected.get(name, 'nothing')}"
                 for name in {**expected, **actual} if actual.get(name) != expected.get(name)]
    if differing:
        raise RequestError(f"These weights look like {described}, but {len(differing)} tensors differ: "
                           + "; ".join(differing[:3]))


def _list_tensors(weights: Mapping[str, Tensor]) -> str:
    return f"{len(weights)} tensors were found, named {', '.join(map(str, list(weights)[:5]))}"
