"""Converts pickled statistics to .npz files for saddlepoint-convert-statistics."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.errors import RequestError
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.metrics import statistics_files, statistics_pickles


def convert(settings: Mapping[str, Any]) -> Path:
    """Writes the statistics of a pickle, of the network that part= names if it has several, as an .npz file; prints
    what they are and returns the file's path."""
    if not settings["input"]:
        raise RequestError("input is not set: type input=FILE.pkl, the statistics of EDM2 or StyleGAN")
    path = expanded(settings["input"], "input")
    if not path.is_file():
        raise RequestError(f"input={path} is no file: type input=FILE.pkl")
    output = output_path(settings, path)
    parts = statistics_pickles.read(path)
    name = settings["part"] or next(iter(parts))
    if name not in parts or not settings["part"] and len(parts) > 1:
        problem = f"part={settings['part']} is not in" if settings["part"] else "there are several networks in"
        raise RequestError(f"{problem} input={path}, which has {', '.join(parts)}: type {word(f'part={min(parts)}')}")
    require_writable(output, f"output={output}")
    part = parts[name]
    source = {"converted_from": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    statistics_files.write(output, part.moments, None, {**part.about, **source})
    count = f"{part.moments.count:,} images" if part.moments.count else "a number of images that it does not tell"
    print(f"{name} of {path}: {len(part.moments.mean):,} features of {count}\n{output}")
    return output


def output_path(settings: Mapping[str, Any], path: Path) -> Path:
    """Returns the path of output=, or that of the pickle with the ending .npz; refuses files that exist."""
    output = expanded(settings["output"], "output") if settings["output"] else path.with_suffix(".npz")
    if output.suffix != ".npz":
        raise RequestError(f"output={output} must end in .npz: type {word(f'output={output}.npz')}")
    if is_taken(output) and not settings["overwrite"]:
        raise RequestError(f"output={output} exists: choose another file with output=, or add overwrite=true")
    return output
