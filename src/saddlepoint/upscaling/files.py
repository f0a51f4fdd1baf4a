"""Which files are read, and where each result goes. Paths and names only: nothing is opened."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from saddlepoint.data.listing import image_files
from saddlepoint.errors import RequestError
from saddlepoint.image_files.endings import ENDINGS as READ
from saddlepoint.typed_paths import expanded
from saddlepoint.upscaling.writing import ENDINGS

WILDCARDS = "*?["


class Sources(NamedTuple):
    """`names` are relative to `root`, with forward slashes; `single`: one file was named, not a folder or pattern."""

    root: Path
    names: list[str]
    single: bool
    left_out: int = 0  # files in folders below, not asked for


class Job(NamedTuple):
    source: Path
    target: Path
    kind: str  # a key of FORMATS

    @property
    def comparison(self) -> Path:
        return self.target.with_name(f"{self.target.stem}_compare.png")


def sources(typed: str, recursive: bool) -> Sources:
    """typed: a file, a folder or a pattern such as photos/*.jpg"""
    path = expanded(typed, "input")
    if path.is_file():
        return Sources(path.parent, [path.name], single=True)
    if path.is_dir():
        found = [file.name for file in image_files(path, READ)]
        names = [name for name in found if recursive or "/" not in name]
        if not names:
            below = ": recursive=true takes those in the folders below" if found else f" ({', '.join(READ)})"
            raise RequestError(f"input={typed} has no image files{below}")
        return Sources(path, names, single=False, left_out=len(found) - len(names))
    if not any(letter in typed for letter in WILDCARDS):
        raise RequestError(f"input={typed} does not exist: name an image file, a folder, or a pattern such as "
                           "'input=photos/*.jpg'")
    root = _fixed_part(path)
    matches = (match for match in root.glob(str(path.relative_to(root))) if match.is_file())
    names = sorted(match.relative_to(root).as_posix() for match in matches if not match.name.startswith("."))
    if not names:
        raise RequestError(f"input={typed} matches no file")
    return Sources(root, names, single=False)


def jobs(chosen: Sources, output: str | None, kind: str | None, scale: float) -> list[Job]:
    """output: a file, or a folder where there are several inputs; null: beside the input, named after the scale."""
    if chosen.single and output and not _is_folder(output):
        return [_single(chosen.root / chosen.names[0], expanded(output, "output"), kind)]
    if output and not chosen.single and Path(output).suffix.lower() in ENDINGS:
        raise RequestError(f"output={output} is a file, but input names several: type output=FOLDER")
    ending = f"_x{scale:g}"
    folder = expanded(output, "output") if output else chosen.root if chosen.single else _folder_beside(chosen, ending)
    if not chosen.single:
        chosen = _without_results(chosen, folder)
    kinds = [kind or ENDINGS.get(Path(name).suffix.lower(), "png") for name in chosen.names]
    names = [Path(name).with_suffix(_suffix(name, each)) for name, each in zip(chosen.names, kinds, strict=True)]
    if chosen.single and not output:
        names = [name.with_stem(name.stem + ending) for name in names]
    taken = Counter(names)
    names = [name if taken[name] == 1 else name.with_name(f"{Path(source).name}.{each}")  # a.bmp and a.png -> png
             for name, source, each in zip(names, chosen.names, kinds, strict=True)]
    return [Job(chosen.root / source, folder / name, each)
            for source, name, each in zip(chosen.names, names, kinds, strict=True)]


def refuse_to_overwrite_inputs(planned: Iterable[Job]) -> None:
    planned = list(planned)
    inputs = {job.source.resolve() for job in planned}
    for job in planned:
        for target in (job.target, job.comparison):
            if target.resolve() in inputs:
                raise RequestError(f"{target} is itself an input: type output= for another place")


def new_only(planned: Sequence[Job], compare: bool, overwrite: bool) -> list[Job]:
    """Those with results that do not exist yet; all of them if existing files may be replaced."""
    def exists(job: Job) -> Path | None:
        return next((path for path in (job.target, job.comparison)[:1 + compare] if path.exists()), None)

    new = [job for job in planned if overwrite or not exists(job)]
    if not new:
        which = f"{exists(planned[0])} exists" if len(planned) == 1 else f"All {len(planned)} results exist in " \
                f"{planned[0].target.parent}"
        raise RequestError(f"{which}: type output= for another place, or overwrite=true to replace what is there")
    return new


def _single(source: Path, target: Path, kind: str | None) -> Job:
    by_name = ENDINGS.get(target.suffix.lower())
    if by_name is None:
        raise RequestError(f"output={target} must end in {', '.join(READ)}: type output={target}.{kind or 'png'}, "
                           f"or output={target}/ for a folder")
    if kind and kind != by_name:
        raise RequestError(f"format={kind} and output={target} name two formats: leave format= out")
    return Job(source, target, by_name)


def _is_folder(output: str) -> bool:
    return output.endswith(("/", "\\")) or expanded(output, "output").is_dir()


def _without_results(chosen: Sources, folder: Path) -> Sources:
    """Results of the same command before, where they go into a folder among the inputs"""
    if chosen.root.resolve() == folder.resolve():
        return chosen
    names = [name for name in chosen.names if not (chosen.root / name).resolve().is_relative_to(folder.resolve())]
    return chosen._replace(names=names)


def _suffix(name: str, kind: str) -> str:
    """The file's own where it already stands for that format (.jpeg, .TIF), else the usual one."""
    suffix = Path(name).suffix
    return suffix if ENDINGS.get(suffix.lower()) == kind else f".{kind}"


def _folder_beside(chosen: Sources, ending: str) -> Path:
    """photos -> photos_x4; what has no name of its own (., ..) -> upscaled_x4 in it"""
    name = chosen.root.name
    return chosen.root.with_name(name + ending) if name not in ("", "..") else chosen.root / f"upscaled{ending}"


def _fixed_part(pattern: Path) -> Path:
    parts = [parent for parent in pattern.parents if not any(letter in str(parent) for letter in WILDCARDS)]
    return parts[0]
