"""Writes a network of a run to a file that other programs compute with: ONNX, or torch.export's own format (.pt2).

N images of C channels (K of a source that is translated), H x W pixels; L latents.
"""

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from saddlepoint.config.image_sizes import sides_of
from saddlepoint.data.standardisation import standardisation_of
from saddlepoint.environment import revision, versions
from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically
from saddlepoint.game.modes import finished
from saddlepoint.game.networks import Encoder, HasMeanStyle
from saddlepoint.game.super_resolution import SuperResolutionModule
from saddlepoint.runs import saved_settings
from saddlepoint.sampling.loading import (
    draw_from,
    home_of,
    load_module,
    translates,
    weights_of,
    with_plain_weights,
)
from saddlepoint.sampling.truncation import truncate

if TYPE_CHECKING:
    from saddlepoint.game.adversarial import AdversarialModule

PACKAGES = ("onnx", "onnxruntime", "onnxscript")  # the extra onnx
TRACED, COMPARED = 2, (1, 3)  # images in the batch that is traced, and in those that are compared with the run
LIMIT = 1e-3  # of the difference from the run, where outputs are in [-1, 1]: an eighth of a grey level

Tensors = dict[str, Tensor]  # by the names of inputs, in the order of the call


class Exportable(NamedTuple):
    """A network as it is exported: called with all of its inputs, and with nothing else."""

    network: nn.Module
    inputs: Callable[[int], Tensors]  # so many rows of each, as the run would have them
    free: Mapping[str, Mapping[int, str]]  # of each input the dimensions that may have any size, and their names
    output: str
    facts: Mapping[str, Any]  # for those who have nothing but the file


class Unlabelled(nn.Module):
    """Calls a network that ignores labels with zeros for them."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, values: Tensor) -> Tensor:
        return self.network(values, torch.zeros(values.shape[0], dtype=torch.long))


def exportable(path: Path, name: str, truncation: float | None = None, weights: str | None = None) -> Exportable:
    """Returns the network called `name` of a checkpoint, with the weights that `weights` names (ema, raw or a further
    average; None: averaged if the run has them), and its styles truncated by psi = truncation unless that is None.
    Raises a RequestError if there is no such network or average, if it is not known how to call it, or if it has no
    styles to truncate."""
    module, saved = load_module(path)
    draw_from(module, weights)
    networks = module.sampling_networks
    if name not in networks:
        raise RequestError(f"network={name} is none that can be exported of this run: type one of "
                           f"{', '.join(networks)}")
    network = finished(with_plain_weights(networks[name]))
    found = _called(network, name, module, saved, path)
    if truncation is not None:
        found = found._replace(network=_with_truncated_styles(found.network, truncation, module),
                               facts={"truncation": truncation, **found.facts})
    return found._replace(facts={
        "run": home_of(path).resolve().name, "network": name, "class": type(network).__name__,
        "weights": weights_of(module), "images_seen": saved["images_seen"],
        "saddlepoint": versions()["saddlepoint"], "revision": revision(), **found.facts})


def _with_truncated_styles(network: nn.Module, psi: float, module: "AdversarialModule") -> nn.Module:
    """Returns the network of an Exportable with truncated styles."""
    inner = network.network if isinstance(network, Unlabelled) else network
    if not isinstance(inner, HasMeanStyle):
        raise RequestError(f"truncation={psi:g}: an exported network is given its latents, so truncate them where they "
                           "are drawn; only generators that map latents to styles are exported truncated. Leave "
                           "truncation= out")
    truncated = truncate(inner, module.latents, psi).generator
    return Unlabelled(truncated) if isinstance(network, Unlabelled) else truncated


def _called(network: nn.Module, name: str, module: "AdversarialModule", saved: Mapping[str, Any], path: Path,
            ) -> Exportable:
    """Returns how a network is called, which depends on the task."""
    if isinstance(module, SuperResolutionModule):
        return of_upscaler(network)
    data = saved_settings.require_parts(saved, path, saved_settings.OF_DATA)["data"]
    if translates(module):
        shape = (network.source_channels, *sides_of(data["image_size"]))
        return of_images(network, "source", shape, "images", {"image_range": [-1, 1]})
    if name == "generator" and hasattr(module, "latents"):
        names = saved.get("class_names", ()) if getattr(network, "num_classes", 0) else ()
        latents = {key: value for key, value in saved["settings"]["model"]["latents"].items() if key != "_target_"}
        standardisation = standardisation_of(saved.get("data"))
        facts = {"latents": latents, "classes": [*names], **(
            {"standardisation": standardisation.as_json()} if standardisation else {})}
        return of_generator(network, module.sampling_latents.of_images, facts, "points" if "dimensions" in data else
                            "voxels" if "edge" in data else "stored_latents" if standardisation else "images")
    if isinstance(network, Encoder):
        shape = (data["channels"], *sides_of(data["image_size"]))
        return of_images(network, "images", shape, "latents", {"image_range": [-1, 1]})
    raise RequestError(f"network={name}: {type(network).__name__} is called in a way of its own, by "
                       f"{type(module).__name__}, and only networks that draw, enlarge, translate or encode images "
                       "are exported")


def of_generator(network: nn.Module, draw: Callable[[int, int, int], Tensor], facts: Mapping[str, Any],
                 output: str = "images") -> Exportable:
    """latents [N, L], and labels [N] of int64 where there are classes -> images [N, C, H, W] in [-1, 1], points [N, D],
    or voxels [N, 1, S, S, S] in [0, 1]. `draw` returns latents of a seed, from a first image on, so many."""
    classes = getattr(network, "num_classes", 0)

    def inputs(count: int) -> Tensors:
        return {"latents": draw(0, 0, count)} | ({"labels": torch.arange(count) % classes} if classes else {})

    return Exportable(network if classes else Unlabelled(network), inputs, {name: {0: "N"} for name in inputs(1)},
                      output, {**facts, **({"image_range": [-1, 1]} if output == "images" else {})})


def of_images(network: nn.Module, name: str, shape: tuple[int, ...], output: str, facts: Mapping[str, Any],
              ) -> Exportable:
    """images [N, *shape] in [-1, 1], of the size of training -> images or latents"""
    def inputs(count: int) -> Tensors:
        return {name: torch.rand(count, *shape, generator=torch.Generator().manual_seed(count)) * 2 - 1}

    return Exportable(Unlabelled(network), inputs, {name: {0: "N"}}, output, facts)


def of_upscaler(network: nn.Module) -> Exportable:
    """low [N, C, H, W] in [0, 1] -> images [N, C, s*H, s*W], around [0, 1], of any height and width"""
    step = getattr(network, "multiple", 1)

    def inputs(count: int) -> Tensors:
        shape = (count, network.channels, (4 + count) * step, (5 + 2 * count) * step)
        return {"low": torch.rand(shape, generator=torch.Generator().manual_seed(count))}

    return Exportable(network, inputs, {"low": {0: "N", 2: "H", 3: "W"}}, "images",
                      {"image_range": [0, 1], "scale": network.scale, "sides_are_multiples_of": step})


# Formats. Each writes a file, and computes with one.


def refuse_missing_packages() -> None:
    """Raises a RequestError if a package is missing that format=onnx needs."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise RequestError(f"format=onnx needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
                           "installed: type pip install 'saddlepoint[onnx]', or format=pt2, which needs nothing")


def write_onnx(what: Exportable, path: Path) -> None:
    inputs = what.inputs(TRACED)
    for name in ("onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.WARNING)  # not each node that they remove
    with warnings.catch_warnings(action="ignore"):  # of torch's exporter about itself
        program = torch.onnx.export(what.network, tuple(inputs.values()), dynamo=True, verbose=False,
                                    input_names=[*inputs], output_names=[what.output],
                                    dynamic_shapes=tuple(what.free[name] for name in inputs))
    program.model.metadata_props.update(texts(what.facts))
    program.save(path, external_data=False)


def compute_onnx(path: Path) -> Callable[[Tensors], Tensor]:
    import onnxruntime  # belongs to an extra

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(
        session.run(None, {name: values.numpy() for name, values in inputs.items()})[0])


def write_pt2(what: Exportable, path: Path) -> None:
    inputs = what.inputs(TRACED)
    free = tuple(dict.fromkeys(what.free[name], torch.export.Dim.DYNAMIC) for name in inputs)
    with warnings.catch_warnings(action="ignore"), path.open("wb") as file:
        program = torch.export.export(what.network, tuple(inputs.values()), dynamic_shapes=free)
        torch.export.save(program, file, extra_files={"facts.json": json.dumps(texts(what.facts))})


def compute_pt2(path: Path) -> Callable[[Tensors], Tensor]:
    with path.open("rb") as file:
        network = torch.export.load(file).module()
    return lambda inputs: network(*inputs.values())


FORMATS = {"onnx": (write_onnx, compute_onnx), "pt2": (write_pt2, compute_pt2)}


def write(what: Exportable, path: Path, kind: str) -> float:
    """Writes the file, whole and compared with the run or not at all; returns the largest difference of an output.
    Raises a RequestError if it is above LIMIT."""
    write_it, compute = FORMATS[kind]
    differences: list[float] = []

    def write_and_compare(temporary: Path) -> None:
        write_it(what, temporary)
        differences.append(largest_difference(what, compute(temporary)))
        if not differences[0] <= LIMIT:  # nor is it a number
            raise RequestError(f"format={kind}: the exported network computes other values than the run, by up to "
                               f"{differences[0]:.2g}: nothing is written")

    with torch.no_grad():
        what.network(*what.inputs(1).values())  # what depends on weights alone is kept, and not traced
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write_and_compare)
    return differences[0]


@torch.no_grad()
def largest_difference(what: Exportable, compute: Callable[[Tensors], Tensor]) -> float:
    """Returns the largest difference between what the run's network and the exported one compute of some batches, of
    other sizes than the one that was traced; relative to outputs that are larger than 1."""
    pairs = [(what.network(*inputs.values()), compute(inputs)) for inputs in map(what.inputs, COMPARED)]
    return max(((ours - theirs).abs() / ours.abs().clamp(min=1)).max().item() for ours, theirs in pairs)


def texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Returns facts as the texts that both formats hold: what is no text, as JSON."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
