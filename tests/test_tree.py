"""The order of the packages: nothing imports upwards, and nothing imports in a circle."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

# From the ground up. Each imports only what stands on floors below its own. docs/architecture.md has the same table.
FLOORS = (
    ("checks", "environment", "errors", "exports", "image_files", "progress"),
    ("compat", "config", "files", "parallel"),
    ("downloads", "game", "networks", "runs"),
    ("data", "losses", "tricks"),
    ("metrics", "preparing", "probing"),
    ("comparison", "making"),
    ("build", "sweeps"),
    ("claims", "sampling"),
    ("upscaling",),
    ("training",),
    ("commands",),
)
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}
LOOSE = {"build", "checks", "downloads", "environment", "errors", "exports", "making"}  # single files at the root


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of ours."""
    found = {}
    for path in sorted((SOURCE / "saddlepoint").rglob("*.py")):
        names = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(names[:-1] if names[-1] == "__init__" else names)] = path
    return found


MODULES = modules()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Yields the modules of ours that a file imports: at its top, inside functions, and for type checkers."""
    yield from imports_below(tree(path))


def imports_below(root: ast.AST) -> Iterator[str]:
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def for_type_checkers(path: Path) -> set[str]:
    """Returns what a file imports under `if TYPE_CHECKING:` only, which no run ever follows."""
    checks = [node for node in tree(path).body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    return {name for node in checks for name in imports_below(node)}


@cache
def arrows() -> set[tuple[str, str]]:
    return {(name, other) for name, path in MODULES.items() for other in imports(path) if name != other}


def room(module: str) -> str:
    """saddlepoint.training.callbacks.health -> training, saddlepoint.build -> build"""
    return module.split(".")[1]


def package(module: str) -> str:
    """saddlepoint.training.callbacks.health -> saddlepoint.training.callbacks; a single file is its own"""
    return module if MODULES[module].name == "__init__.py" or room(module) in LOOSE else module.rpartition(".")[0]


def test_every_package_stands_on_one_floor():
    rooms = {room(name) for name in MODULES if name != "saddlepoint"}
    assert rooms == set(FLOOR_OF) and len(FLOOR_OF) == sum(map(len, FLOORS))
    assert {name for name in rooms if MODULES[f"saddlepoint.{name}"].name != "__init__.py"} == LOOSE


def test_nothing_imports_upwards():
    within = [(name, other) for name, other in arrows() if "saddlepoint" not in (name, other)]
    assert len(within) > 500
    assert [(name, other) for name, other in within
            if room(name) != room(other) and FLOOR_OF[room(name)] <= FLOOR_OF[room(other)]] == []


def test_every_package_stands_as_low_as_what_it_imports_allows():
    for name, floor in FLOOR_OF.items():
        below = [FLOOR_OF[room(other)] for module, other in arrows()
                 if module != "saddlepoint" and room(module) == name != room(other)]
        assert floor == max(below, default=-1) + 1, name


@pytest.mark.parametrize("level", ["modules", "packages"])
def test_nothing_imports_in_a_circle(level):
    name_of = package if level == "packages" else str
    apart = {name: set() if level == "packages" else for_type_checkers(path) for name, path in MODULES.items()}
    graph: dict[str, set[str]] = {}
    for name, other in arrows():
        if name_of(name) != name_of(other) and other not in apart[name]:
            graph.setdefault(name_of(name), set()).add(name_of(other))
    assert len(list(TopologicalSorter(graph).static_order())) > 20


def names_of(module: str) -> set[str]:
    """Returns what a module defines or imports at its top, and the modules inside it."""
    found = {other.rpartition(".")[2] for other in MODULES if other.rpartition(".")[0] == module}
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def test_every_name_that_is_imported_exists():
    """Inside functions too, where nobody looks before they are called."""
    names, looked_up = {module: names_of(module) for module in MODULES}, 0
    for path in MODULES.values():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module in MODULES:
                loaded = "__getattr__" in names[node.module]  # on demand (saddlepoint.exports)
                lacking = {alias.name for alias in node.names} - names[node.module]
                assert loaded or not lacking, f"{path.name}, line {node.lineno}"
                looked_up += len(node.names)
    assert looked_up > 1000


def test_the_architecture_shows_these_floors():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", page, re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", packages)) for _, packages in rows] == list(FLOORS)
    assert f"{len(FLOORS)} floors, {len(FLOOR_OF) - len(LOOSE)} packages, {len(LOOSE)} single files, no circle" in page


def test_the_game_fits_on_a_few_screens():
    """It names no trick and no model, and is read in one go: the first idea of docs/architecture.md."""
    assert len((SOURCE / "saddlepoint" / "game" / "adversarial.py").read_text().splitlines()) < 150
