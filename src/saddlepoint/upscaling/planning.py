"""Decides which files are read and where each result goes, for all files before the first is opened.

Names are in Unicode's composed form, as data/listing.py gives them; paths are as the file system has them."""

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import describing
from saddlepoint.data.listing import ImageFile, Listing, listing
from saddlepoint.errors import RequestError
from saddlepoint.files.names import composed, distinct, folded, shortened
from saddlepoint.image_files.endings import ENDINGS as READ
from saddlepoint.upscaling.writing import ENDINGS

WILDCARDS = "*?["


class Sources(NamedTuple):
    """The input files. Their names are relative to `root`, with forward slashes. `single`: one file was named, not a
    folder or pattern."""

    root: Path
    files: list[ImageFile]
    single: bool
    left_out: int = 0  # files in folders below, not asked for
    passed_over: Sequence[str] = ()  # what else lies in the folder, in words


class Job(NamedTuple):
    source: Path
    target: Path
    kind: str  # a key of FORMATS
    comparison: Path


def sources(typed: str, recursive: bool) -> Sources:
    """Finds the input files; `typed` is a file, a folder or a pattern such as photos/*.jpg."""
    path = _as_it_is_called(expanded(typed, "input"))
    mode = _mode(path)
    if mode and stat.S_ISREG(mode):
        return Sources(path.parent, [ImageFile(composed(path.name), path)], single=True)
    if mode and stat.S_ISDIR(mode):
        everything = listing(path, READ)
        listed = everything.files
        files = [file for file in listed if recursive or "/" not in file.name]
        if not files:
            below = ": recursive=true takes those in the folders below" if listed else f" ({', '.join(READ)})"
            raise RequestError(f"input={typed} has no image files{below}")
        here = everything if recursive else Listing(*([each for each in part if "/" not in (
            each.name if isinstance(each, ImageFile) else each)] for part in everything))
        return Sources(path, files, single=False, left_out=len(listed) - len(files),
                       passed_over=describing.left_out(here, "not that of an image"))
    if mode:
        raise RequestError(f"input={typed} is neither a file nor a folder: name an image file")
    if not any(letter in typed for letter in WILDCARDS):
        raise RequestError(f"input={typed} does not exist: name an image file, a folder, or a pattern such as "
                           "'input=photos/*.jpg'")
    root = _fixed_part(path)
    files = sorted(ImageFile(composed(match.relative_to(root).as_posix()), match)
                   for match in _matches(root, path, typed) if not match.name.startswith(".") and not match.is_dir())
    if not files:
        raise RequestError(f"input={typed} matches no file")
    return Sources(root, files, single=False)


def jobs(chosen: Sources, output: str | None, kind: str | None, scale: float) -> list[Job]:
    """Returns the input and the result of each job. `output`: a file, or a folder where there are several inputs;
    null: beside the input, named after the scale.

    No two results share a name, not even on file systems where A.png and a.png are one."""
    if chosen.single and output and not _is_folder(output):
        return [_single(chosen.files[0].path, expanded(output, "output"), kind)]
    if output and not chosen.single and Path(output).suffix.lower() in ENDINGS:
        raise RequestError(f"output={output} is a file, but input names several: type output=FOLDER")
    ending = f"_x{scale:g}"
    folder = expanded(output, "output") if output else chosen.root if chosen.single else _folder_beside(chosen, ending)
    if not chosen.single:
        chosen = _without_results(chosen, folder)
    kinds = [kind or ENDINGS.get(PurePosixPath(file.name).suffix.lower(), "png") for file in chosen.files]
    names = [PurePosixPath(file.name).with_suffix(_suffix(file.name, each))
             for file, each in zip(chosen.files, kinds, strict=True)]
    if chosen.single and not output:
        names = [_with_ending(name, ending) for name in names]
    longer = [f"{file.name}.{each}" for file, each in zip(chosen.files, kinds, strict=True)]  # a.bmp and a.png -> png
    targets = distinct([_fitting(name) for name in names], [_fitting(PurePosixPath(name)) for name in longer])
    comparisons = distinct([str(_compared(PurePosixPath(name))) for name in targets],
                           [str(_compared(PurePosixPath(f"{name}.png"))) for name in targets], reserved=targets)
    return [Job(file.path, folder / target, each, folder / comparison)
            for file, target, each, comparison in zip(chosen.files, targets, kinds, comparisons, strict=True)]


def refuse_to_overwrite_inputs(planned: Iterable[Job]) -> None:
    planned = list(planned)
    inputs = {folded(source): source for source in (job.source.resolve() for job in planned)}
    for job in planned:
        for target in (job.target, job.comparison):
            resolved = target.resolve()
            twin = inputs.get(folded(resolved))
            if twin and (twin == resolved or target.exists() and target.samefile(twin)):
                raise RequestError(f"{target} is itself an input: type output= for another place")


def new_only(planned: Sequence[Job], compare: bool, overwrite: bool) -> list[Job]:
    """Returns the jobs whose results do not exist yet; all of them if existing files may be replaced."""
    def exists(job: Job) -> Path | None:
        return next((path for path in (job.target, job.comparison)[:1 + compare] if path.is_file()), None)

    new = [job for job in planned if overwrite or not exists(job)]
    if not new:
        which = f"{exists(planned[0])} exists" if len(planned) == 1 else f"All {len(planned)} results exist in " \
                f"{planned[0].target.parent}"
        raise RequestError(f"{which}: type output= for another place, or overwrite=true to replace what is there")
    return new


def _as_it_is_called(path: Path) -> Path:
    """Returns the file of the same folder whose name is the same in another form of Unicode, if there is none in
    this form."""
    if _mode(path) is None and _mode(path.parent) is not None and path.parent.is_dir():
        return next((each for each in path.parent.iterdir() if composed(each.name) == composed(path.name)), path)
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


def _single(source: Path, target: Path, kind: str | None) -> Job:
    by_name = ENDINGS.get(target.suffix.lower())
    if by_name is None:
        raise RequestError(f"output={target} must end in {', '.join(ENDINGS)}: type output={target}.{kind or 'png'}, "
                           f"or output={target}/ for a folder")
    if kind and kind != by_name:
        raise RequestError(f"format={kind} and output={target} name two formats: leave format= out")
    return Job(source, target, by_name, target.with_name(str(_compared(PurePosixPath(target.name)))))


def _compared(name: PurePosixPath) -> PurePosixPath:
    return _with_ending(name.with_suffix(".png"), "_compare")


def _with_ending(name: PurePosixPath, ending: str) -> PurePosixPath:
    """a/b.png -> a/b_x4.png, however long b is"""
    short = PurePosixPath(shortened(name.name, added=len(ending)))
    return name.with_name(f"{short.stem}{ending}{short.suffix}")


def _fitting(name: PurePosixPath) -> str:
    return str(name.parent / shortened(name.name))


def _is_folder(output: str) -> bool:
    return output.endswith(("/", "\\")) or stat.S_ISDIR(_mode(expanded(output, "output")) or 0)


def _without_results(chosen: Sources, folder: Path) -> Sources:
    """Leaves out results that the same command wrote before into a folder among the inputs."""
    results = folder.resolve()
    if chosen.root.resolve().is_relative_to(results):  # the inputs lie among the results, and not the other way round
        return chosen
    return chosen._replace(files=[file for file in chosen.files if not file.path.resolve().is_relative_to(results)])


def _suffix(name: str, kind: str) -> str:
    """Returns the ending of the result: the input's own where it stands for that format (.jpeg, .TIF), else the
    usual one."""
    suffix = PurePosixPath(name).suffix
    return suffix if ENDINGS.get(suffix.lower()) == kind else f".{kind}"


def _folder_beside(chosen: Sources, ending: str) -> Path:
    """photos -> photos_x4; what has no name of its own (., ..) -> upscaled_x4 in it"""
    name = chosen.root.name
    return chosen.root.with_name(name + ending) if name not in ("", "..") else chosen.root / f"upscaled{ending}"


def _fixed_part(pattern: Path) -> Path:
    parts = [parent for parent in pattern.parents if not any(letter in str(parent) for letter in WILDCARDS)]
    return parts[0]
