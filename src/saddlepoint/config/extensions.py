"""Finds extensions: packages of other people whose classes may be named in `_target_` and whose conf/ is searched after
ours.

An extension is in use when it is installed and names itself in the entry point group `saddlepoint.extensions`, or when
the user types its folder: extensions=[path/to/mylab]. The settings of a checkpoint never bring one in. Nothing here
imports an extension's code, or torch.
"""

import difflib
import hashlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from saddlepoint.config.typed_paths import expanded
from saddlepoint.environment import revision_of
from saddlepoint.errors import RequestError

GROUP = "saddlepoint.extensions"
OURS = ("saddlepoint", "torch", "torchvision", "torchmetrics", "pytorch_lightning")  # packages that are always trusted
IDENTITY = ("version", "revision", "code")  # what of a record says which code it was
GATHERED = ("tricks", "metrics")  # groups of which every option's settings are present: tricks.<name>.<setting>


@dataclass(frozen=True)
class Extension:
    """A package whose classes may be used: `_target_: <name>.losses.Mine`."""

    name: str
    folder: Path  # of the package itself
    origin: str  # how it came in, as the user knows it
    version: str = ""  # of the installed distribution; empty where a folder was typed
    typed: str = ""  # the folder as it was typed; empty of an installed one

    @property
    def settings(self) -> Path:
        return self.folder / "conf"

    def provenance(self) -> dict[str, str]:
        """Returns what a run records of it.

        name, version: of the package; the version is empty where a folder was typed
        revision: of git, empty outside a checkout
        code: a digest of its Python files, which also tells apart what is in no repository
        typed: its folder as typed in extensions=[...], empty of an installed one
        """
        return {"name": self.name, "version": self.version, "revision": revision_of(self.folder, "."),
                "code": self.digest(), "typed": self.typed}

    def digest(self) -> str:
        """Returns 16 hexadecimal digits of a SHA-256 over the names and the contents of its Python files."""
        files = {path.relative_to(self.folder): path for path in self.folder.rglob("*.py") if path.is_file()}
        digest = hashlib.sha256()
        for name in sorted(name for name in files if not any(part.startswith(".") for part in name.parts)):
            content = files[name].read_bytes()
            digest.update(os.fsencode(f"{name.as_posix()}\0{len(content)}\0") + content)
        return digest.hexdigest()[:16]


_in_use: dict[str, Extension] | None = None  # None: nobody has asked yet


def in_use() -> list[Extension]:
    """Returns the extensions of this process; those that are installed, unless `use` added some."""
    if _in_use is None:
        use(())
    return list(_in_use.values())


def typed() -> list[str]:
    """Returns the folders of the extensions in use that were typed, as they were typed."""
    return [each.typed for each in in_use() if each.typed]


def use(folders: Iterable[str]) -> None:
    """Takes the installed extensions and the typed folders into use, or refuses them all with a sentence."""
    global _in_use
    by_name: dict[str, Extension] = {}
    for each in [*installed(), *map(of_folder, folders)]:
        other = by_name.setdefault(each.name, each)
        if other.folder != each.folder:
            raise RequestError(f"Two extensions are called {each.name}: {other.origin} ({other.folder}) and "
                               f"{each.origin} ({each.folder}). Leave one of them out, or rename its package")
    _in_use = by_name
    _Finder.install()


def installed() -> list[Extension]:
    """Returns the extensions that installed packages name; one that cannot be found is refused."""
    extensions = []
    for point in metadata.entry_points(group=GROUP):
        name = point.value.partition(":")[0].strip()
        origin = f"the installed package {point.dist.name} {point.dist.version}"
        folder = package_folder(name) if "." not in name else None
        if folder is None:
            raise RequestError(f"{origin} names the extension {point.name} = {point.value}, and there is no package of "
                               f"that name: reinstall it, or type pip uninstall {point.dist.name}")
        extensions.append(Extension(_checked_name(name, origin), folder, origin, point.dist.version))
    return extensions


def of_folder(typed: str) -> Extension:
    """Returns the extension in a folder as typed in extensions=[...]; the folder is the package."""
    if typed.startswith("[") and not typed.endswith("]"):
        raise RequestError(f"extensions={typed} lacks the ] at its end: type extensions={typed}]")
    folder = expanded(typed, "extensions")
    if not folder.is_dir():
        raise RequestError(f"extensions=[{typed}] is not a folder: type the folder of a package, the one that holds "
                           "its classes and its conf/")
    folder = folder.resolve()
    if not (folder / "conf").is_dir() and not any(folder.glob("*.py")):
        inside = next((each for each in sorted(folder.iterdir()) if (each / "conf").is_dir()), None)
        raise RequestError(f"extensions=[{typed}] holds neither Python files nor conf/: type the folder of the package "
                           f"itself{f', extensions=[{inside}]' if inside else ''}")
    origin = f"extensions=[{typed}]"
    return Extension(_checked_name(folder.name, origin, folder), folder, origin, typed=typed)


def _checked_name(name: str, origin: str, folder: Path | None = None) -> str:
    if not name.isidentifier():
        raise RequestError(f"{origin}: the folder's name is the name of the package in _target_, and {name} cannot be "
                           "imported: rename it to letters, digits and _")
    taken = name in OURS or name in sys.stdlib_module_names
    if folder and not taken:
        other = package_folder(name)
        taken = other is not None and other.resolve() != folder
        if taken and any(point.value.partition(":")[0].strip() == name for point in metadata.entry_points(group=GROUP)):
            raise RequestError(f"{origin}: the extension {name} is installed as well, from {other}. Leave {origin} out "
                               f"to use that one, or type pip uninstall {name} to use the folder")
    if taken:
        raise RequestError(f"{origin}: {name} is the name of another package, which it would hide: rename the folder")
    return name


def package_folder(name: str) -> Path | None:
    """Returns the folder of a top-level package without importing it; None where there is no such package."""
    if _in_use and name in _in_use:
        return _in_use[name].folder
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None


def trusted() -> tuple[str, ...]:
    """Returns the names of all packages whose classes may be named in `_target_`."""
    return (*OURS, *(each.name for each in in_use()))


def refuse_settings_that_do_not_fit(ours: Path) -> None:
    """Refuses yaml files of extensions that have the name of one of ours, or of another extension, and folders that
    stand in the place of one of our groups, as conf/trick/ for conf/tricks/; `ours` is our conf/."""
    files: dict[Path, str] = {path.relative_to(ours): "saddlepoint" for path in ours.rglob("*.yaml")}
    groups = [path.name for path in ours.iterdir() if path.is_dir()]
    for each in in_use():
        for folder in sorted(each.settings.iterdir()) if each.settings.is_dir() else ():
            near = difflib.get_close_matches(folder.name, groups, n=1, cutoff=0.75)
            if folder.is_dir() and folder.name not in groups and near:
                raise RequestError(f"The extension {each.name} has conf/{folder.name}/, which is no group of options: "
                                   f"did you mean conf/{near[0]}/? Rename the folder {folder}")
        for path in sorted(each.settings.rglob("*.yaml")) if each.settings.is_dir() else ():
            name = path.relative_to(each.settings)
            if name in files:
                raise RequestError(f"The extension {each.name} has conf/{name}, and so has {files[name]}: rename the "
                                   f"file, so that {typed_choice(name)} means one thing")
            files[name] = each.name


def typed_choice(file: Path) -> str:
    """Returns what is typed to choose a yaml file: loss/hinge.yaml -> loss=hinge."""
    return f"{file.parent}={file.stem}" if len(file.parts) > 1 else file.stem


def named_in(overrides: Mapping[str, Any], experiments: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the folders that the user names: in extensions= as typed, else in the experiment's yaml."""
    if "extensions" in overrides:
        return as_list(overrides["extensions"], "extensions")
    return [folder for content in experiments for folder in as_list(content.get("extensions"), "extensions")]


def as_list(value: Any, setting: str) -> list[str]:
    if value is None:
        return []
    folders = [value] if isinstance(value, str) else value
    if not isinstance(folders, Sequence) or not all(isinstance(each, str) and each for each in folders):
        raise RequestError(f"{setting}={value} must be a list of folders, e.g. extensions=[path/to/mylab]")
    return list(folders)


def how_to_use(package: str, typed: str = "") -> str:
    """Returns the sentence on how a package of the user's own may be used; empty for what is no name of a package.

    `typed`: its folder as it was typed when it was used before, if it was
    """
    if not package.isidentifier():
        return ""
    if typed:
        return (f". Type extensions=[FOLDER] with its folder, which was extensions=[{typed}] then, or install it with "
                f"an entry point in the group {GROUP}")
    return (f". If {package} is a package of your own, type extensions=[FOLDER] with its folder, or install it with an "
            f"entry point in the group {GROUP}")


def reminder() -> str:
    """Returns what to add to the refusal of an unknown option while no folder is typed, the likeliest reason."""
    return "" if typed() else "; one of your own needs extensions=[FOLDER]"


def place_of(error: Exception) -> str:
    """Returns where and why code failed, in one line: `losses.py, line 3: NameError: ...`"""
    frames = traceback.extract_tb(error.__traceback__)
    file, line = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (
        frames[-1].filename, frames[-1].lineno)
    return f"{file}, line {line}: {type(error).__name__}: {error}"


def refuse_missing(settings: Any, recorded: Iterable[Mapping[str, Any]], where: str) -> None:
    """Refuses the settings of a run whose classes belong to extensions that it recorded and that are not in use here.
    Other packages that are not trusted are refused where a class is built."""
    by_name = {each.get("name"): each for each in recorded}
    known = {name: described([each]) for name, each in by_name.items()}
    missing = sorted({package for package in packages_in(settings) if package in known and package not in trusted()})
    if not missing:
        return
    named = " and ".join(known[package] for package in missing)
    raise RequestError(f"{where} was trained with {named}, which {'is' if len(missing) == 1 else 'are'} not in use here"
                       f"{how_to_use(missing[0], str(by_name[missing[0]].get('typed') or ''))}")


def without_idle(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a run's settings without tricks and metrics of extensions that are not here and that the run did not use:
    the settings of every trick are there, whether or not it plays."""
    played = {"tricks": settings.get("trick") or (), "metrics": measured_by(settings)}
    needed = {group: {name: each for name, each in settings[group].items()
                      if name in names or {*packages_in(each)} <= {*trusted()}}
              for group, names in played.items() if isinstance(settings.get(group), Mapping)}
    return {**settings, **needed}


def measured_by(settings: Mapping[str, Any]) -> list[str]:
    """Returns the names of the metrics that a run's callbacks measure."""
    callbacks = settings.get("callbacks")
    every = callbacks.values() if isinstance(callbacks, Mapping) else ()
    return [name for each in every if isinstance(each, Mapping) for name in each.get("metric") or ()]


def packages_in(settings: Any) -> Iterator[str]:
    """Yields the first name of every `_target_` at any depth."""
    if isinstance(settings, Mapping):
        if isinstance(settings.get("_target_"), str):
            yield settings["_target_"].partition(".")[0]
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        for each in settings:
            yield from packages_in(each)


def changes_of_version(recorded: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns a sentence for each extension whose version, revision or code is another here than a run recorded."""
    here = {each.name: each.provenance() for each in in_use()}
    return [f"this run was begun with {described([each])} and goes on with {described([here[each['name']]])}"
            for each in recorded if each.get("name") in here and not _is_same_code(each, here[each["name"]])
            and any(each[what] != here[each["name"]][what] for what in IDENTITY if what in each)]


def _is_same_code(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one.get("code")) and one["code"] == other.get("code")


def described(recorded: Iterable[Mapping[str, Any]]) -> str:
    """Returns the recorded extensions in words, e.g. `mylab 0.3 (revision 1a2b3c4+changes, code 5e6f708)`."""
    def one(each: Mapping[str, Any]) -> str:
        commit, plus, changes = str(each.get("revision") or "").partition("+")
        code = [f"revision {commit[:7]}{plus}{changes}"] if commit else []
        code += [f"code {str(each['code'])[:7]}"] if each.get("code") else []
        return " ".join(filter(None, [str(each.get("name")), str(each.get("version") or ""),
                                      f"({', '.join(code)})" if code else ""]))
    return ", ".join(map(one, recorded))


class _Finder(MetaPathFinder):
    """An import hook that finds extensions that were typed as folders, whatever sys.path holds."""

    @classmethod
    def install(cls) -> None:
        if not any(isinstance(each, cls) for each in sys.meta_path):
            sys.meta_path.insert(0, cls())

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        extension = (_in_use or {}).get(name)
        if extension is None or not extension.typed:  # what is installed is found as ever
            return None
        start = extension.folder / "__init__.py"
        if start.is_file():
            inside = [str(extension.folder)]
            return importlib.util.spec_from_file_location(name, start, submodule_search_locations=inside)
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(extension.folder)]
        return spec


