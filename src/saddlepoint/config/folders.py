"""Finds the yaml files: our own conf/, and the conf/ of each extension. Imports no torch."""

from collections.abc import Iterator
from pathlib import Path

from saddlepoint.config import extensions

PACKAGE = Path(__file__).parents[1]


def settings_folder() -> Path:
    """Returns conf/: inside the package where a wheel was installed, at the top of the repository in a checkout and in
    an editable install of one."""
    inside = PACKAGE / "conf"
    return inside if inside.is_dir() else PACKAGE.parents[1] / "conf"


def folders() -> list[Path]:
    """Returns our conf/ and those of the extensions in use, in the order in which Hydra searches them."""
    return [settings_folder(), *(each.settings for each in extensions.in_use() if each.settings.is_dir())]


def groups() -> set[str]:
    """Returns the names of all groups of options, e.g. model, data, loss."""
    return {path.name for folder in folders() for path in folder.iterdir() if path.is_dir()}


def options(group: str) -> list[str]:
    """Returns the sorted names of a group's options; none where there is no such group."""
    return sorted({path.stem for folder in folders() for path in (folder / group).glob("*.yaml")})


def offering_options(group: str) -> tuple[str, list[str]] | None:
    """Returns, for a group below another one, the other and those of its options that offer a choice of the group, e.g.
    data and photo_edges, ... for data/pair; None for every other group."""
    above, _, name = group.rpartition("/")
    offering = [option for option in options(above) for path in files_of(above, option)
                if f"\n  - {name}: " in path.read_text(encoding="utf-8")] if above else []
    return (above, offering) if offering else None


def files_of(group: str, option: str) -> Iterator[Path]:
    """Yields the yaml files of one option; there is at most one, unless an extension shadows a name."""
    for folder in folders():
        if (path := folder / group / f"{option}.yaml").is_file():
            yield path
