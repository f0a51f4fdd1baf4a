"""Reads rules from annotations: `Annotated[Schedule | float, number(0)]`, `Literal["a", "b"]`, `int | None`, `Count`.

Only literals and calls of the functions in rules.py are evaluated, never code of another package.
"""

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saddlepoint.config import rules
from saddlepoint.config.rules import Rule
from saddlepoint.config.source import SourceModule, Unreadable, find_definition

PLAIN = {"int": rules.integer(), "float": rules.number(), "bool": rules.boolean, "str": rules.text,
         "pathlib.Path": rules.path}
LISTS = {"list", "tuple", "List", "Tuple", "Sequence", "Iterable", "Collection"}
MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
TYPING = ("typing.", "typing_extensions.", "collections.abc.")
SLIPS = (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError)  # of who wrote an annotation


@dataclass(frozen=True)
class Argument:
    """An argument of a constructor.

    rule: of plain values; None where the annotation has none that can be read
    parts: True if a part of the configuration with a `_target_` may stand in the value's place
    """

    rule: Rule | None = None
    parts: bool = True


def argument_of(module: SourceModule, annotation: ast.expr | None) -> Argument:
    """Returns the argument that an annotation describes, one without a rule where none can be read."""
    try:
        argument = _read(module, annotation) if annotation else Argument()
        for value in (None, 0, 0.5, "", [0]) if argument.rule else ():  # a rule that fails on a value is none
            argument.rule(value)
    except (Unreadable, RecursionError, *SLIPS):
        return Argument()
    return argument


def _read(module: SourceModule, annotation: ast.expr) -> Argument:
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
    where, node = find_definition(path)
    return Argument() if isinstance(node, ast.ClassDef) else _read(where, node)


def _union(module: SourceModule, members: list[ast.expr]) -> Argument:
    """Returns the argument for a union such as `int | None` or `Schedule | float`."""
    null = [each for each in members if isinstance(each, ast.Constant) and each.value is None]
    read = [_read(module, each) for each in members if each not in null]
    values = [each.rule for each in read if each.rule]
    if PLAIN["float"] in values:
        values = [rule for rule in values if rule is not PLAIN["int"]]
    rule = values[0] if len(values) == 1 else rules.either(*values) if values else None
    return Argument(rules.optional(rule) if rule and null else rule, parts=any(each.parts for each in read))


def _generic(module: SourceModule, annotation: ast.Subscript) -> Argument:
    """Returns the argument for a subscripted annotation: Annotated, Literal, Optional, Union, a list or a mapping."""
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


def _annotated(module: SourceModule, inner: list[ast.expr]) -> Argument:
    """Returns the argument for Annotated: the first of its extras that is a rule, else that of its first part."""
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


def _value(module: SourceModule, expression: ast.expr) -> Any:
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
    where, node = find_definition(path)
    if isinstance(node, ast.ClassDef):
        raise Unreadable(path)
    return _value(where, node)


def _spread(module: SourceModule, elements: list[ast.expr]) -> Iterator[Any]:
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
