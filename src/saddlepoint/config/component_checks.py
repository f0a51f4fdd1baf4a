"""Holds settings to rules: a component's to those of its constructor, every other to setting_rules.py.

A component is a mapping with a `_target_`. The same function serves a request, before anything is imported, and
build.py, which also builds what stands in checkpoints.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from saddlepoint.config.annotations import Argument
from saddlepoint.config.paths import leaves
from saddlepoint.config.rules import ListOf, MappingOf, Rule, as_typed, finite, nearest
from saddlepoint.config.setting_rules import rule_for
from saddlepoint.config.signatures import Signature, names_of_relatives, signature_of

# Their annotations say less than their constructors check; rules for their settings are in setting_rules.py.
FOREIGN = {"torch", "torchvision", "torchmetrics", "pytorch_lightning", "hydra_plugins"}
# What one class each is made from. Their yaml files may be a stranger's.
COMPONENTS = ("loss", "tricks.*", "metrics.*", "model.generator", "model.discriminator")
OF_A_SCHEDULE = ("start", "end", "value")  # what the rule of the number holds for that the schedule stands in for
UNREAD = "callbacks."  # below it, what an experiment sets of a callback that callbacks=none left out


@dataclass(frozen=True)
class Complaint:
    """A value that a rule refuses: where it stands, what it is and what it must be."""
    path: str
    value: Any
    must_be: str
    unknown: bool = False  # nothing of that name is a setting there

    def __str__(self) -> str:
        value = "{...}" if isinstance(self.value, Mapping) and self.value else as_typed(self.value)
        return f"{self.path}={value} must be {self.must_be}"


def complaints(settings: Mapping[str, Any], skip: Container[str] = (),
               own_rules: Mapping[str, Rule] | None = None) -> Iterator[Complaint]:
    """Yields what is wrong with the settings of a command.

    skip: paths of values that are not looked at
    own_rules: rules of single paths that hold instead of all others
    """
    return _Check(rule_for, skip, own_rules or {}, [*leaves(settings)]).of(settings, "")


def complaints_of_constructors(component: Mapping[str, Any], where: str) -> Iterator[Complaint]:
    """Yields what the constructors of a component and of its parts refuse; `where`: its place in the configuration."""
    return _Check(lambda path: None, (), {}, [*leaves(component, where)]).of(component, where)


def signature_of_ours(settings: Mapping[str, Any]) -> Signature | None:
    """Returns the signature of a component's class, None for one of another framework and where there is none."""
    target = str(settings.get("_target_", ""))
    return None if target.split(".")[0] in FOREIGN else signature_of(target)


@dataclass(frozen=True)
class _Check:
    rule_for: Callable[[str], Rule | None]  # of paths that no class of ours takes
    skip: Container[str]
    own_rules: Mapping[str, Rule]
    known: list[str]  # paths of all settings there are, for suggestions

    def of(self, settings: Mapping[str, Any], where: str, outer: Rule | None = None) -> Iterator[Complaint]:
        """Yields the complaints about the settings at the place `where`.

        outer: where they are a schedule, the rule of the number in whose place it stands
        """
        signature = signature_of_ours(settings)
        if "_target_" not in settings and any(fnmatchcase(where, place) for place in COMPONENTS):
            yield Complaint(where, settings, "a component, whose yaml file names its class: it lacks a line such as "
                                             "_target_: mylab.losses.Mine")
            return
        for name, value in settings.items():
            path = f"{where}.{name}" if where else str(name)
            if str(name).startswith("_") or path in self.skip:
                continue
            if path in self.own_rules:
                yield from self.of_value(path, value, self.own_rules[path])
            elif signature:
                rules = [outer] if outer and name in OF_A_SCHEDULE else []
                yield from self.of_argument(path, value, settings["_target_"], rules)
            elif isinstance(value, Mapping) and value and ("_target_" in value or "_target_" not in settings):
                yield from self.of(value, path, self.rule_for(path))
            elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
                yield from self.of_parts(value, path)
            elif rule := self.rule_for(path) or (finite if "_target_" in settings or path.startswith(UNREAD) else None):
                yield from self.of_value(path, value, rule)
            else:
                yield Complaint(path, value, f"removed: it is not a setting{self.instead(path, {})}", unknown=True)

    def of_parts(self, values: Sequence[Any], path: str) -> Iterator[Complaint]:
        """Yields the complaints about a list of numbers of which some are schedules, such as Adam's betas."""
        rule = self.rule_for(path)
        for index, each in enumerate(values):
            if isinstance(each, Mapping):
                yield from self.of(each, f"{path}.{index}", rule.rule if isinstance(rule, ListOf) else finite)
        beginnings = [each.get("start", 0.0) if isinstance(each, Mapping) else each for each in values]
        yield from self.of_value(path, beginnings, rule or finite)

    def of_argument(self, path: str, value: Any, target: str, rules: list[Rule]) -> Iterator[Complaint]:
        name, signature = path.rpartition(".")[2], signature_of(target)
        argument = signature.argument(name)
        part = isinstance(value, Mapping) and "_target_" in value
        if argument is None and name in names_of_relatives(target):
            return
        if argument is None or argument.rule is None and not part and signature.complete:
            yield Complaint(path, value, f"removed: it is not a setting of {signature.name}"
                                         f"{self.instead(path, signature.arguments)}", unknown=True)
        elif part and argument.parts:
            yield from self.of(value, path, argument.rule)
        elif isinstance(argument.rule, MappingOf) and isinstance(value, Mapping) and value:
            for key, each in value.items():
                yield from self.of_value(f"{path}.{key}", each, argument.rule.rule)
        elif isinstance(value, Mapping) and argument.rule and argument.parts:
            yield Complaint(path, value, f"{argument.rule(value)}, or a part of its own, with a _target_")
        else:
            yield from self.of_value(path, value, *rules, argument.rule or finite)

    def of_value(self, path: str, value: Any, *rules: Rule) -> Iterator[Complaint]:
        must_be = next(filter(None, (rule(value) for rule in rules)), None)
        if must_be and path not in self.skip:
            yield Complaint(path, value, must_be)

    def instead(self, path: str, arguments: Mapping[str, Argument]) -> str:
        place = path.rpartition(".")[0]
        others = [*(f"{place}.{name}" for name, argument in arguments.items() if argument.rule), *self.known]
        return nearest(path, dict.fromkeys(other for other in others if other != path and "._" not in other
                                           and not other.startswith(f"{path}.")))
