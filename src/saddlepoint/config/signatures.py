"""Reads what a constructor takes, and the rules of its arguments, from the source text of its class.

Nothing is imported and nothing of another package is executed: importing a network imports torch, and a slip in a
setting is answered before that. What cannot be read here has no rule, and build.py asks the class itself.
"""

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from saddlepoint.config import rules
from saddlepoint.config.extensions import package_folder
from saddlepoint.config.rules import Rule

PLAIN = {"int": rules.integer(), "float": rules.number(), "bool": rules.boolean, "str": rules.text,
         "pathlib.Path": rules.path}
LISTS = {"list", "tuple", "List", "Tuple", "Sequence", "Iterable", "Collection"}
MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
TYPING = ("typing.", "typing_extensions.", "collections.abc.")
SLIPS = (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError)  # of who wrote an annotation
# Base classes of other packages that take no settings. Of every other class that cannot be read, nobody knows here.
TAKE_NOTHING = {"object", "abc.ABC", "typing.Protocol", "torch.nn.Module", "torch.utils.data.Dataset",
                "pytorch_lightning.Callback", "pytorch_lightning.LightningDataModule",
                "pytorch_lightning.LightningModule"}


@dataclass(frozen=True)
class Argument:
    """`rule` is of plain values, None where the annotation has none that can be read. `parts`: a part of the
    configuration with a `_target_` may stand in the value's place."""

    rule: Rule | None = None
    parts: bool = True


@dataclass(frozen=True)
class Signature:
    """What a class is called and what its constructor takes by name; `more`: other names as well, unknown here."""

    name: str
    arguments: Mapping[str, Argument]
    more: bool
    ours: bool

    def argument(self, name: str) -> Argument | None:
        return self.arguments.get(name, Argument() if self.more else None)

    @property
    def complete(self) -> bool:
        """Every setting has a rule. So an argument without one is an object that build.py hands over."""
        return self.ours and not self.more


class Unreadable(Exception):
    """An expression that only the interpreter could evaluate."""


@cache
def signature_of(target: str) -> Signature | None:
    """Returns the signature of the class at a dotted path, None where there is none or it cannot be read."""
    try:
        module, node = _found(target)
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
    packages = {".".join(module.name.split(".")[:2]) for module, node in _bases(*_found(target)) if node}
    modules = [module for package in packages for name in _modules_of(package) if (module := _module(name))]
    return frozenset(parameter.arg for module in modules for node in module.definitions.values()
                     if isinstance(node, ast.ClassDef) and (init := _constructor(node))
                     for parameter in init.args.args + init.args.kwonlyargs
                     if _argument(module, parameter.annotation).rule)


# Modules: what their names stand for.


@dataclass(frozen=True)
class _Module:
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
def _module(name: str) -> _Module | None:
    file = _file(name)
    try:
        tree = ast.parse(file.read_bytes()) if file else None
    except (OSError, SyntaxError, ValueError):
        return None
    if tree is None:
        return None
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    module = _Module(name)
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


def _file(name: str) -> Path | None:
    top, *inner = name.split(".")
    if not all(part.isidentifier() for part in (top, *inner)):  # what a checkpoint of somebody else says may be a path
        return None
    folder = package_folder(top)
    if folder is None:
        return None
    places = [folder.joinpath(*inner, "__init__.py")]
    places += [folder.joinpath(*inner[:-1], f"{inner[-1]}.py")] if inner else []
    return next((place for place in places if place.is_file()), None)


def _modules_of(package: str) -> Iterator[str]:
    """Yields the names of a module, or of a package and all modules below it."""
    file = _file(package)
    if file and file.name == "__init__.py":
        for each in sorted(file.parent.rglob("*.py")):
            inner = each.relative_to(file.parent).with_suffix("").parts
            yield ".".join((package, *(part for part in inner if part != "__init__")))
    elif file:
        yield package


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):  # if TYPE_CHECKING: import ...
            yield from _statements(statement.body)


def _absolute(statement: ast.ImportFrom, package: str) -> str:
    if not statement.level:
        return statement.module or ""
    parents = package.split(".")
    parents = parents[:len(parents) - statement.level + 1]
    return ".".join([*parents, *([statement.module] if statement.module else [])])


def _found(path: str) -> tuple[_Module, ast.ClassDef | ast.expr]:
    """Returns what a dotted path stands for and the module it is defined in, through the imports on the way."""
    for _ in range(20):  # imports in a circle
        holder, _, name = path.rpartition(".")
        module = _module(holder) if holder else None
        if module is None:
            break
        if name in module.definitions:
            return module, module.definitions[name]
        if name not in module.imports:
            break
        path = module.imports[name]
    raise Unreadable(path)


# Classes: the arguments of a constructor, through the base classes it hands **more on to.


def _arguments(module: _Module, node: ast.ClassDef) -> tuple[dict[str, Argument], bool]:
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
                arguments.setdefault(parameter.arg, _argument(each, parameter.annotation))
        if init.args.kwarg is None:
            return arguments, False
        call = _handing_on(init)
        if call is None:  # it keeps what it is given
            return arguments, True
        decided |= {keyword.arg for keyword in call.keywords if keyword.arg}
        skipped = len(call.args)
    return arguments, False


def _bases(module: _Module, node: ast.ClassDef) -> Iterator[tuple[_Module, ast.ClassDef | None]]:
    """Yields the class and its bases in the order in which Python asks them, None for one that cannot be read."""
    order: dict[str, tuple[_Module, ast.ClassDef | None]] = {}

    def visit(module: _Module, node: ast.ClassDef, below: tuple[str, ...]) -> None:
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
                where, base = _found(name)
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


def _is_dataclass(module: _Module, node: ast.ClassDef) -> bool:
    made_by = [each.func if isinstance(each, ast.Call) else each for each in node.decorator_list]
    return any(isinstance(each, ast.Name | ast.Attribute) and module.dotted(each) == "dataclasses.dataclass"
               for each in made_by)


def _fields(module: _Module, node: ast.ClassDef) -> dict[str, Argument]:
    fields: dict[str, Argument] = {}
    for each, base in reversed([*_bases(module, node)]):
        if base is None or not _is_dataclass(each, base):
            continue
        for part in base.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and not _is_no_argument(part):
                fields[part.target.id] = _argument(each, part.annotation)
    return fields


def _is_no_argument(part: ast.AnnAssign) -> bool:
    """A class variable, or field(init=False)"""
    keywords = part.value.keywords if isinstance(part.value, ast.Call) else []
    return "ClassVar" in ast.unparse(part.annotation) or any(
        keyword.arg == "init" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in keywords)


# Annotations: rules.


def _argument(module: _Module, annotation: ast.expr | None) -> Argument:
    try:
        argument = _read(module, annotation) if annotation else Argument()
        for value in (None, 0, 0.5, "", [0]) if argument.rule else ():  # a rule that fails on a value is none
            argument.rule(value)
    except (Unreadable, RecursionError, *SLIPS):
        return Argument()
    return argument


def _read(module: _Module, annotation: ast.expr) -> Argument:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return _read(module, ast.parse(annotation.value, mode="eval").body)
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _union(module, [annotation.left, annotation.right])
    if isinstance(annotation, ast.Subscript):
        return _generic(module, annotation)
    path = module.dotted(annotation)
    if path in PLAIN:
        return Argument(PLAIN[path], parts=False)
    if path.startswith(f"{rules.__name__}."):
        return Argument(_of_rules(path).__metadata__[0], parts=False)
    where, node = _found(path)
    return Argument() if isinstance(node, ast.ClassDef) else _read(where, node)


def _union(module: _Module, members: list[ast.expr]) -> Argument:
    """int | None, Schedule | float: what a plain value may be, and whether a part may stand there."""
    null = [each for each in members if isinstance(each, ast.Constant) and each.value is None]
    read = [_read(module, each) for each in members if each not in null]
    values = [each.rule for each in read if each.rule]
    if PLAIN["float"] in values:
        values = [rule for rule in values if rule is not PLAIN["int"]]
    rule = values[0] if len(values) == 1 else rules.either(*values) if values else None
    return Argument(rules.optional(rule) if rule and null else rule, parts=any(each.parts for each in read))


def _generic(module: _Module, annotation: ast.Subscript) -> Argument:
    path = module.dotted(annotation.value)
    kind = path.removeprefix(next((prefix for prefix in TYPING if path.startswith(prefix)), ""))
    inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    if kind == "Annotated":
        return _annotated(module, inner)
    if kind == "Literal":
        return Argument(rules.one_of(*(_value(module, each) for each in inner)), parts=False)
    if kind == "Optional":
        return _union(module, [*inner, ast.Constant(None)])
    if kind == "Union":
        return _union(module, inner)
    if kind in LISTS:
        endless = kind not in ("tuple", "Tuple") or isinstance(inner[-1], ast.Constant) and inner[-1].value is ...
        alike = {ast.dump(each) for each in inner if not isinstance(each, ast.Constant)}
        each = _read(module, inner[0]) if len(alike) == 1 else Argument()
        rule = each.rule and rules.list_of(each.rule, length=None if endless else len(inner), empty=endless)
        return Argument() if each.parts else Argument(rule, parts=False)
    if kind in MAPPINGS:
        each = _read(module, inner[1])
        return Argument() if each.parts else Argument(rules.mapping_of(each.rule), parts=False)
    raise Unreadable(path)


def _annotated(module: _Module, inner: list[ast.expr]) -> Argument:
    try:
        read = _read(module, inner[0])
    except Unreadable:
        read = Argument()
    for each in inner[1:]:
        try:
            rule = _value(module, each)
        except Unreadable:  # somebody else's: Annotated is for everybody
            continue
        if callable(rule):
            return Argument(rule, read.parts)
    return read


def _value(module: _Module, expression: ast.expr) -> Any:
    """Evaluates literals, names of them, sums and powers, and calls of the rule makers."""
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.Tuple | ast.List | ast.Set):
        return tuple(_spread(module, expression.elts))
    if isinstance(expression, ast.Dict) and None not in expression.keys:
        return dict.fromkeys(_value(module, key) for key in expression.keys)  # only its keys are ever meant
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.USub):
        return -_value(module, expression.operand)
    if isinstance(expression, ast.BinOp):
        left, right = _value(module, expression.left), _value(module, expression.right)
        if isinstance(expression.op, ast.Sub):
            return left - right
        if isinstance(expression.op, ast.Pow) and 0 <= right <= 64:
            return left ** right
        raise Unreadable(ast.dump(expression))
    if isinstance(expression, ast.Call):
        path = module.dotted(expression.func)
        if path != "tuple" and not path.startswith(f"{rules.__name__}."):
            raise Unreadable(path)
        maker = tuple if path == "tuple" else _of_rules(path)
        named = {keyword.arg: _value(module, keyword.value) for keyword in expression.keywords if keyword.arg}
        return maker(*_spread(module, expression.args), **named)
    path = module.dotted(expression)
    if path == "math.inf":
        return math.inf
    if path.startswith(f"{rules.__name__}."):
        return _of_rules(path)
    where, node = _found(path)
    if isinstance(node, ast.ClassDef):
        raise Unreadable(path)
    return _value(where, node)


def _spread(module: _Module, elements: list[ast.expr]) -> Iterator[Any]:
    for each in elements:
        if isinstance(each, ast.Starred):
            yield from _value(module, each.value)
        else:
            yield _value(module, each)


def _of_rules(path: str) -> Any:
    """Returns a rule maker, a rule or an alias of rules.py."""
    name = path.removeprefix(f"{rules.__name__}.")
    found = vars(rules).get(name)
    if name not in rules.FOR_ANNOTATIONS or found is None:
        raise Unreadable(path)
    return found
