"""Reads the modules that constructors are written in, without importing them: what each name in a file stands for."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from saddlepoint.config.extensions import package_folder


class Unreadable(Exception):
    """An error: only the interpreter could evaluate the expression."""


@dataclass(frozen=True)
class SourceModule:
    """A module as its source text shows it: what it defines and what it imports."""
    name: str
    definitions: dict[str, ast.ClassDef | ast.expr] = field(default_factory=dict)  # classes, constants, type aliases
    imports: dict[str, str] = field(default_factory=dict)  # name here -> dotted path

    def dotted(self, expression: ast.expr) -> str:
        """Returns the path of what a name or an attribute stands for, the name itself where it is a builtin's."""
        if isinstance(expression, ast.Attribute):
            return f"{self.dotted(expression.value)}.{expression.attr}"
        if not isinstance(expression, ast.Name):
            raise Unreadable(ast.dump(expression))
        if expression.id in self.definitions:
            return f"{self.name}.{expression.id}"
        return self.imports.get(expression.id, expression.id)


@cache
def read_module(name: str) -> SourceModule | None:
    """Returns the module of a dotted name; None where there is none or its text cannot be parsed."""
    file = _file_of(name)
    try:
        tree = ast.parse(file.read_bytes()) if file else None
    except (OSError, SyntaxError, ValueError):
        return None
    if tree is None:
        return None
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    module = SourceModule(name)
    for statement in _statements(tree.body):
        if isinstance(statement, ast.ImportFrom):
            origin = _absolute(statement, package)
            module.imports.update({each.asname or each.name: f"{origin}.{each.name}" for each in statement.names})
        elif isinstance(statement, ast.Import):
            for each in statement.names:  # `import a.b` makes a known here, `import a.b as c` makes c stand for a.b
                top = each.name.split(".")[0]
                module.imports[each.asname or top] = each.name if each.asname else top
        elif isinstance(statement, ast.ClassDef):
            module.definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            module.definitions[statement.targets[0].id] = statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            module.definitions[statement.target.id] = statement.value
    return module


def _file_of(name: str) -> Path | None:
    """Returns the file of a module or package; None where there is none."""
    top, *inner = name.split(".")
    if not all(part.isidentifier() for part in (top, *inner)):  # what a checkpoint of somebody else says may be a path
        return None
    folder = package_folder(top)
    if folder is None:
        return None
    places = [folder.joinpath(*inner, "__init__.py")]
    places += [folder.joinpath(*inner[:-1], f"{inner[-1]}.py")] if inner else []
    return next((place for place in places if place.is_file()), None)


def modules_below(package: str) -> Iterator[str]:
    """Yields the names of a module, or of a package and all modules below it."""
    file = _file_of(package)
    if file and file.name == "__init__.py":
        for each in sorted(file.parent.rglob("*.py")):
            inner = each.relative_to(file.parent).with_suffix("").parts
            yield ".".join((package, *(part for part in inner if part != "__init__")))
    elif file:
        yield package


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements of a module, and those inside its if and try blocks."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):  # if TYPE_CHECKING: import ...
            yield from _statements(statement.body)


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    """Returns the dotted path of the module that a `from ... import` names, relative or not."""
    if not statement.level:
        return statement.module or ""
    parents = package.split(".")
    parents = parents[:len(parents) - statement.level + 1]
    return ".".join([*parents, *([statement.module] if statement.module else [])])


def find_definition(path: str) -> tuple[SourceModule, ast.ClassDef | ast.expr]:
    """Returns what a dotted path stands for and the module it is defined in, through the imports on the way."""
    for _ in range(20):  # imports in a circle
        holder, _, name = path.rpartition(".")
        module = read_module(holder) if holder else None
        if module is None:
            break
        if name in module.definitions:
            return module, module.definitions[name]
        if name not in module.imports:
            break
        path = module.imports[name]
    raise Unreadable(path)
