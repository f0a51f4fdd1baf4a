"""Finds the input files of upscale.py and decides where each result goes, for all of them before the first is opened.

Names are in Unicode's composed form (NFC), as data/listing.py gives them; paths are as the file system has them."""

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.listing import ImageFile, Listing, listing
from saddlepoint.errors import RequestError
from saddlepoint.files.names import distinct, fold, shorten, to_nfc
from saddlepoint.image_files.endings import ENDINGS as INPUT_ENDINGS
from saddlepoint.upscaling.writing import ENDINGS

WILDCARDS = "*?["


class Sources(NamedTuple):
    """The input files. Their names are relative to `root`, with forward slashes. `single`: input= names one file, not a
    folder or pattern."""

    root: Path
    files: list[ImageFile]
    single: bool
    left_out: int = 0  # files in folders below, without recursive=true
    passed_over: Sequence[str] = ()  # other files in the folder, in words


class Job(NamedTuple):
    """An input file, its result and the result's format, and the picture of both beside each other."""

    source: Path
    target: Path
    kind: str  # a key of FORMATS
    comparison: Path


def find_sources(typed: str, recursive: bool) -> Sources:
    """Finds the input files. `typed`, the value of input=, is a file, a folder or a pattern such as photos/*.jpg."""
    path = _as_stored(expanded(typed, "input"))
    mode = _mode(path)
    if mode and stat.S_ISREG(mode):
        return Sources(path.parent, [ImageFile(to_nfc(path.name), path)], single=True)
    if mode and stat.S_ISDIR(mode):
        everything = listing(path, INPUT_ENDINGS)
        listed = everything.files
        files = [file for file in listed if recursive or "/" not in file.name]
        if not files:
            below = ": recursive=true takes those in the folders below" if listed else f" ({', '.join(INPUT_ENDINGS)})"
            raise RequestError(f"input={typed} has no image files{below}")
        considered = everything if recursive else Listing(*([each for each in part if "/" not in (
            each.name if isinstance(each, ImageFile) else each)] for part in everything))
        return Sources(path, files, single=False, left_out=len(listed) - len(files),
                       passed_over=describing.left_out(considered, "not that of an image"))
    if mode:
        raise RequestError(f"input={typed} is neither a file nor a folder: name an image file")
    if not any(letter in typed for letter in WILDCARDS):
        raise RequestError(f"input={typed} does not exist: name an image file, a folder, or a pattern such as "
                           "'input=photos/*.jpg'")
    root = _folder_before_wildcards(path)
    files = sorted(ImageFile(to_nfc(match.relative_to(root).as_posix()), match)
                   for match in _matches(root, path, typed) if not match.name.startswith(".") and not match.is_dir())
    if not files:
        raise RequestError(f"input={typed} matches no file")
    return Sources(root, files, single=False)


def plan_jobs(chosen: Sources, output: str | None, kind: str | None, ending: str) -> list[Job]:
    """Plans a job for each input. `output` is a file for a single input, or a folder; if it is None, results lie beside
    the inputs and have `ending` in their names, e.g. _x4. `kind`: the format of all results, or None for that of each
    input.

    No two results get the same name, not even on file systems that take A.png and a.png for one."""
    if chosen.single and output and not _is_folder(output):
        return [_plan_single_file(chosen.files[0].path, expanded(output, "output"), kind)]
    if output and not chosen.single and Path(output).suffix.lower() in ENDINGS:
        raise RequestError(f"output={output} is a file, but input names several: type output=FOLDER")
    folder = expanded(output, "output") if output else chosen.root if chosen.single else _folder_beside(chosen, ending)
    if not chosen.single:
        chosen = _leave_out_results(chosen, folder)
    kinds = [kind or ENDINGS.get(PurePosixPath(file.name).suffix.lower(), "png") for file in chosen.files]
    names = [PurePosixPath(file.name).with_suffix(_suffix(file.name, each))
             for file, each in zip(chosen.files, kinds, strict=True)]
    if chosen.single and not output:
        names = [_with_ending(name, ending) for name in names]
    longer = [f"{file.name}.{each}" for file, each in zip(chosen.files, kinds, strict=True)]  # a.bmp and a.png -> png
    targets = distinct([_shorten(name) for name in names], [_shorten(PurePosixPath(name)) for name in longer])
    comparisons = distinct([str(_comparison_name(PurePosixPath(name))) for name in targets],
                           [str(_comparison_name(PurePosixPath(f"{name}.png"))) for name in targets], reserved=targets)
    return [Job(file.path, folder / target, each, folder / comparison)
            for file, target, each, comparison in zip(chosen.files, targets, kinds, comparisons, strict=True)]


def refuse_to_overwrite_inputs(planned: Iterable[Job]) -> None:
    """Raises a RequestError if a result would replace an input, on any file system."""
    planned = list(planned)
    inputs = {fold(source): source for source in (job.source.resolve() for job in planned)}
    for job in planned:
        for target in (job.target, job.comparison):
            resolved = target.resolve()
            twin = inputs.get(fold(resolved))
            if twin and (twin == resolved or target.exists() and target.samefile(twin)):
                raise RequestError(f"{target} is itself an input: type output= for another place")


def select_new(planned: Sequence[Job], compare: bool, overwrite: bool) -> list[Job]:
    """Returns the jobs of which something is to be written. Raises a RequestError if there is none."""
    remaining = [job for job in planned if files_to_write(job, compare, overwrite)]
    if not remaining:
        existing = (f"{planned[0].target} exists" if len(planned) == 1
                    else f"All {len(planned)} results exist in {planned[0].target.parent}")
        raise RequestError(f"{existing}: type output= for another place, or overwrite=true to replace what is there")
    return remaining


def files_to_write(job: Job, compare: bool, overwrite: bool) -> list[Path]:
    """Returns which files of a job are written, in this order: none if there is the result, unless `overwrite` is true.
    `compare`: the comparison is one of them, if it is not there. It comes before the result, so that none is lost in an
    interruption, and none made beside a result that may be of other weights."""
    if job.target.is_file() and not overwrite:
        return []
    return [*([job.comparison] if compare and (overwrite or not job.comparison.is_file()) else []), job.target]


def _as_stored(path: Path) -> Path:
    """Returns the path in the form of Unicode in which the file's name is stored: NFC and NFD spell accents and umlauts
    with other code points, and most file systems take them for different names."""
    if _mode(path) is None and _mode(path.parent) is not None and path.parent.is_dir():
        return next((each for each in path.parent.iterdir() if to_nfc(each.name) == to_nfc(path.name)), path)
    return path


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # a name that is too long, or no name
        return None


def _matches(root: Path, pattern: Path, typed: str) -> list[Path]:
    try:
        return list(root.glob(str(pattern.relative_to(root))))
    except (ValueError, NotImplementedError) as error:
        raise RequestError(f"input={typed} is no pattern: {error}") from error


def _plan_single_file(source: Path, target: Path, kind: str | None) -> Job:
    by_name = ENDINGS.get(target.suffix.lower())
    if by_name is None:
        raise RequestError(f"output={target} must end in {', '.join(ENDINGS)}: type output={target}.{kind or 'png'}, "
                           f"or output={target}/ for a folder")
    if kind and kind != by_name:
        raise RequestError(f"format={kind} and output={target} name two formats: leave format= out")
    return Job(source, target, by_name, target.with_name(str(_comparison_name(PurePosixPath(target.name)))))


def _comparison_name(name: PurePosixPath) -> PurePosixPath:
    return _with_ending(name.with_suffix(".png"), "_compare")


def _with_ending(name: PurePosixPath, ending: str) -> PurePosixPath:
    """Appends `ending` to a name, a/b.png -> a/b_x4.png, which is cut first if it would become too long."""
    short = PurePosixPath(shorten(name.name, added=len(ending)))
    return name.with_name(f"{short.stem}{ending}{short.suffix}")


def _shorten(name: PurePosixPath) -> str:
    return str(name.parent / shorten(name.name))


def _is_folder(output: str) -> bool:
    return output.endswith(("/", "\\")) or stat.S_ISDIR(_mode(expanded(output, "output")) or 0)


def _leave_out_results(chosen: Sources, folder: Path) -> Sources:
    """Leaves out results that the same command wrote earlier, if their folder is among the inputs. Raises a
    RequestError if nothing else is there."""
    results = folder.resolve()
    if chosen.root.resolve().is_relative_to(results):  # the inputs are among the results
        return chosen
    files = [file for file in chosen.files if not file.path.resolve().is_relative_to(results)]
    if not files:
        raise RequestError(f"All images of input={chosen.root} lie in output={folder}, and count as results: type "
                           "output= for another place")
    return chosen._replace(files=files)


def _suffix(name: str, kind: str) -> str:
    """Returns the ending of a result: that of its input if it stands for the same format (.jpeg, .TIF), else the usual
    ending of the format."""
    suffix = PurePosixPath(name).suffix
    return suffix if ENDINGS.get(suffix.lower()) == kind else f".{kind}"


def _folder_beside(chosen: Sources, ending: str) -> Path:
    """Returns the folder for the results of a folder: photos_x4 for photos; upscaled_x4 within it if the input is `.`
    or `..`, which has no name to append to."""
    name = chosen.root.name
    return chosen.root.with_name(name + ending) if name not in ("", "..") else chosen.root / f"upscaled{ending}"


def _folder_before_wildcards(pattern: Path) -> Path:
    parts = [parent for parent in pattern.parents if not any(letter in str(parent) for letter in WILDCARDS)]
    return parts[0]
