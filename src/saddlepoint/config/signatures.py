"""Reads what a constructor takes, and the rules of its arguments, from the source text of its class.

Nothing is imported and nothing of another package is executed: importing a network imports torch, and a slip in a
setting is answered before that. What cannot be read here has no rule, and build.py asks the class itself.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from saddlepoint.config.annotations import Argument, argument_of
from saddlepoint.config.source import SourceModule, Unreadable, find_definition, modules_below, read_module

# Base classes of other packages that take no settings. Of every other class that cannot be read, nobody knows here.
TAKE_NOTHING = {"object", "abc.ABC", "typing.Protocol", "torch.nn.Module", "torch.utils.data.Dataset",
                "pytorch_lightning.Callback", "pytorch_lightning.LightningDataModule",
                "pytorch_lightning.LightningModule"}


@dataclass(frozen=True)
class Signature:
    """A class's name and the arguments of its constructor, by name.

    more: True if the constructor takes other arguments as well, whose names cannot be read here
    ours: True for classes of saddlepoint
    """

    name: str
    arguments: Mapping[str, Argument]
    more: bool
    ours: bool

    def argument(self, name: str) -> Argument | None:
        """Returns the argument of this name, one without a rule if the constructor may take it; None if it does not."""
        return self.arguments.get(name, Argument() if self.more else None)

    @property
    def complete(self) -> bool:
        """Returns whether every setting has a rule. Then an argument without one is an object that build.py passes."""
        return self.ours and not self.more


@cache
def signature_of(target: str) -> Signature | None:
    """Returns the signature of the class at a dotted path, None where there is none or it cannot be read."""
    try:
        module, node = find_definition(target)
        if not isinstance(node, ast.ClassDef):
            return None
        arguments, more = _arguments(module, node)
    except (Unreadable, RecursionError):
        return None
    return Signature(node.name, arguments, more, ours=module.name.split(".")[0] == __name__.split(".")[0])


@cache
def names_of_relatives(target: str) -> frozenset[str]:
    """Returns the settings of all classes of the packages in which this class and its bases are defined.

    Data, model and experiment are chosen apart, and one may bring a setting of another class: what does not go together
    is said by recipe_refusals.py and build.py, in better words than a slip of spelling.
    """
    packages = {".".join(module.name.split(".")[:2]) for module, node in _bases(*find_definition(target)) if node}
    modules = [module for package in packages for name in modules_below(package) if (module := read_module(name))]
    return frozenset(parameter.arg for module in modules for node in module.definitions.values()
                     if isinstance(node, ast.ClassDef) and (init := _constructor(node))
                     for parameter in init.args.args + init.args.kwonlyargs
                     if argument_of(module, parameter.annotation).rule)


def _arguments(module: SourceModule, node: ast.ClassDef) -> tuple[dict[str, Argument], bool]:
    """Returns the arguments by name, and whether the constructor takes others that are unknown here."""
    arguments: dict[str, Argument] = {}
    decided, skipped = set(), 0  # what the class before hands on itself: by name, and how many by place
    for each, base in _bases(module, node):
        if base is None:
            return arguments, True
        if _is_dataclass(each, base):
            fields = _fields(each, base)
            return {name: each for name, each in fields.items() if name not in decided} | arguments, False
        init = _constructor(base)
        if init is None:
            continue
        parameters = [*init.args.posonlyargs, *init.args.args][1 + skipped:]
        by_place_only = {parameter.arg for parameter in init.args.posonlyargs}
        for parameter in (*parameters, *init.args.kwonlyargs):
            if parameter.arg not in decided | by_place_only:
                arguments.setdefault(parameter.arg, argument_of(each, parameter.annotation))
        if init.args.kwarg is None:
            return arguments, False
        call = _handing_on(init)
        if call is None:  # it keeps what it is given
            return arguments, True
        decided |= {keyword.arg for keyword in call.keywords if keyword.arg}
        skipped = len(call.args)
    return arguments, False


def _bases(module: SourceModule, node: ast.ClassDef) -> Iterator[tuple[SourceModule, ast.ClassDef | None]]:
    """Yields the class and its bases in the order in which Python asks them, None for one that cannot be read."""
    order: dict[str, tuple[SourceModule, ast.ClassDef | None]] = {}

    def visit(module: SourceModule, node: ast.ClassDef, below: tuple[str, ...]) -> None:
        path = f"{module.name}.{node.name}"
        if path in below:
            raise Unreadable(path)
        order.pop(path, None)  # a base of several classes is asked after all of them
        order[path] = module, node
        for expression in node.bases:
            name = module.dotted(expression.value if isinstance(expression, ast.Subscript) else expression)
            if name in TAKE_NOTHING:
                continue
            try:
                where, base = find_definition(name)
            except Unreadable:
                base = None
            if isinstance(base, ast.ClassDef):
                visit(where, base, (*below, path))
            else:
                order.pop(name, None)
                order[name] = module, None

    visit(module, node, ())
    yield from order.values()


def _constructor(node: ast.ClassDef) -> ast.FunctionDef | None:
    """Returns the `__init__` that a class defines itself, the last one if there are several; None if it has none."""
    return next((part for part in reversed(node.body) if isinstance(part, ast.FunctionDef) and part.name == "__init__"),
                None)


def _handing_on(init: ast.FunctionDef) -> ast.Call | None:
    """Returns the call that hands **more on to the next class's constructor."""
    for call in ast.walk(init):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "__init__":
            handed = [keyword.value for keyword in call.keywords if keyword.arg is None]
            if any(isinstance(value, ast.Name) and value.id == init.args.kwarg.arg for value in handed):
                return call
    return None


def _is_dataclass(module: SourceModule, node: ast.ClassDef) -> bool:
    made_by = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(isinstance(each, ast.Name | ast.Attribute) and module.dotted(each) == "dataclasses.dataclass"
               for each in made_by)


def _fields(module: SourceModule, node: ast.ClassDef) -> dict[str, Argument]:
    """Returns the arguments of the constructor that @dataclass writes for a class, by name."""
    fields: dict[str, Argument] = {}
    for each, base in reversed([*_bases(module, node)]):
        if base is None or not _is_dataclass(each, base):
            continue
        for part in base.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and not _is_no_argument(part):
                fields[part.target.id] = argument_of(each, part.annotation)
    return fields


def _is_no_argument(part: ast.AnnAssign) -> bool:
    """Returns whether a field of a dataclass is a class variable or has init=False."""
    keywords = part.value.keywords if isinstance(part.value, ast.Call) else []
    return "ClassVar" in ast.unparse(part.annotation) or any(
        keyword.arg == "init" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in keywords)
