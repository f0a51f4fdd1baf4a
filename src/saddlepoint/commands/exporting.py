"""Exports a network of a run for saddlepoint-export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.sampling import exporting
from saddlepoint.sampling.loading import checkpoint_of, home_of, stem_of


def export(settings: Mapping[str, Any]) -> Path:
    """Writes the network of the settings to a file, prints where it is and how far it is from the run, and returns its
    path."""
    if not settings["run"]:
        raise RequestError("run is not set: name a run directory, e.g. run=runs/dcgan_small_mnist5k/...")
    kind = settings["format"]
    if kind == "onnx":
        exporting.refuse_missing_packages()
    checkpoint = checkpoint_of(expanded(settings["run"], "run"))
    path = output_path(settings) or default_output(checkpoint, settings)
    require_writable(path, f"output={path}")
    what = exporting.exportable(checkpoint, settings["network"], settings["truncation"], settings["weights"])
    difference = exporting.write(what, path, kind)
    called = " and ".join(f"{name} {shape(what, name)}" for name in what.free)
    print(f"{settings['network']} of {checkpoint} (weights={what.facts['weights']}, {what.facts['images_seen']:,} "
          f"images seen): {path}\n{called} -> {what.output}; they differ from the run's by {difference:.1g} at most")
    return path


def shape(what: exporting.Exportable, name: str) -> str:
    """Returns the shape of an input as people write it, e.g. [N, 100]."""
    sizes = [what.free[name].get(place, size) for place, size in enumerate(what.inputs(1)[name].shape)]
    return f"[{', '.join(map(str, sizes))}]"


def output_path(settings: Mapping[str, Any]) -> Path | None:
    """Returns the path of output=, None if it is not typed; refuses files that exist and other endings."""
    if not settings["output"]:
        return None
    output, ending = expanded(settings["output"], "output"), f".{settings['format']}"
    if output.suffix != ending:
        raise RequestError(f"output={output} must end in {ending}: type {word(f'output={output}{ending}')}")
    if is_taken(output) and not settings["overwrite"]:
        raise RequestError(f"output={output} exists: choose another file or add overwrite=true")
    return output


def default_output(checkpoint: Path, settings: Mapping[str, Any]) -> Path:
    """Returns a path in the run's folder `exported`, named after checkpoint, weights, network and truncation: the same
    export replaces it."""
    truncation = settings["truncation"]
    how = "" if truncation is None else f"_truncation{truncation:g}"
    name = f"{stem_of(checkpoint, settings['weights'])}_{settings['network']}{how}.{settings['format']}"
    return home_of(checkpoint) / "exported" / name
