"""Makes the object that a `_target_` names.

`make` contains the only call of Hydra's `instantiate`. A configuration may come from a checkpoint that somebody else
wrote, so each `_target_` is checked first: it must be a class of a trusted package and of a known kind, not a function.
"""

import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from saddlepoint.config import extensions
from saddlepoint.config.component_checks import complaints_of_constructors
from saddlepoint.config.rules import nearest
from saddlepoint.config.spelling import without_interpolation
from saddlepoint.errors import RequestError
from saddlepoint.game.latents import Latents
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.schedule import Schedule
from saddlepoint.game.turns import Turns
from saddlepoint.metrics.metric import Metric

KINDS = (nn.Module, Optimizer, Dataset, pl.LightningDataModule, pl.Callback, Logger, Metric, AdversarialLoss, Turns,
         Schedule, Latents)

FOREIGN_PACKAGES = extensions.OURS[1:]
# What may be made of them. Constructors elsewhere in them unpickle files, e.g. torchmetrics'
# FrechetInceptionDistance its weights and torchvision's LSUN a cache in the working directory.
FOREIGN = ("torch.nn", "torch.optim", "torch.utils.data.dataset", "torchvision.models", "torchvision.ops",
           "torchvision.transforms", "pytorch_lightning.callbacks", "pytorch_lightning.loggers")

Settings = Mapping[str, Any]  # a resolved configuration: plain dictionaries, lists, numbers, strings


def make(settings: Settings, kind: type | tuple[type, ...], where: str, **more: Any) -> Any:
    """Builds the object that `settings` describes, which must be of a class `kind`; refuses settings it does not take.

    `where` is the place of the settings in the configuration, for messages; `more` are arguments that are no settings.
    """
    check_targets(settings, where)
    target = target_class(settings, where)
    if not issubclass(target, kind):
        raise RequestError(f"{where}._target_={settings['_target_']} must be a {_kind_name(kind)}, and is not")
    if complaints := [*map(str, complaints_of_constructors(settings, where))]:
        raise RequestError("\n".join(complaints))
    if not_settings := settings.keys() & more.keys():
        raise RequestError(f"{where}.{min(not_settings)} must be removed: it is not a setting of {target.__name__}")
    try:
        return instantiate(_escape_interpolations(settings), _convert_="all", **more)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError | RequestError):
            raise RequestError(str(error.__cause__)) from error
        if missing := _missing_arguments(error.__cause__):
            raise RequestError(f"{where} lacks {missing}, which {settings['_target_']} needs: add a line to the yaml "
                               "file. (If a checkpoint lacks it, somebody removed it, or it is of another version.)"
                               ) from error
        if _is_abstract(error.__cause__):
            raise RequestError(f"{where}._target_={settings['_target_']} cannot be used: {error.__cause__}. Define it "
                               "in the class") from error
        raise error.__cause__ or error from None


def _escape_interpolations(settings: Any) -> Any:
    """Escapes each ${ of resolved settings, where it is part of a name; Hydra would resolve it, and does so twice."""
    if isinstance(settings, Mapping):
        return {key: _escape_interpolations(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [*map(_escape_interpolations, settings)]
    return without_interpolation(without_interpolation(settings)) if isinstance(settings, str) else settings


def _missing_arguments(error: BaseException | None) -> str:
    """Returns the names of the arguments that a constructor was called without; empty for every other error."""
    match = re.search(r"__init__\(\) missing \d+ required .*arguments?: (.*)", str(error))
    return match[1].replace("'", "") if isinstance(error, TypeError) and match else ""


def _is_abstract(error: BaseException | None) -> bool:
    """Returns whether a constructor failed since its class leaves out methods of its base class."""
    return isinstance(error, TypeError) and str(error).startswith("Can't instantiate abstract class")


def check_targets(settings: Any, where: str) -> None:
    """Refuses settings in which, at any depth, a `_target_` is not trusted or does not take the settings beside it."""
    if isinstance(settings, Mapping):
        if "_target_" in settings:
            _check_arguments(target_class(settings, where), settings, where)
        for key, value in settings.items():
            if key.startswith("_") and key not in ("_target_", "_partial_"):
                raise RequestError(f"{where}.{key} is not allowed in a configuration")
            check_targets(value, f"{where}.{key}")
    elif isinstance(settings, list | tuple):
        for index, value in enumerate(settings):
            check_targets(value, f"{where}[{index}]")


def target_class(settings: Settings, where: str) -> type:
    """Returns the class that `_target_` names. Refuses all but classes of trusted packages and known kinds."""
    if not isinstance(settings, Mapping):
        raise RequestError(f"{where}={settings} must be a part of its own, with a _target_")
    if "_target_" not in settings:
        raise RequestError(f"{where} has no _target_, which names its class: add it to the yaml file, e.g. "
                           "_target_: mylab.losses.Mine")
    path = settings["_target_"]
    package = str(path).partition(".")[0]
    if package not in extensions.trusted():
        raise RequestError(f"{where}._target_={path} must name a class of {', '.join(extensions.trusted())}"
                           f"{extensions.how_to_use(package)}")
    target = _import_target(str(path), where)
    trusted = inspect.isclass(target) and target.__module__.split(".")[0] in extensions.trusted()
    if not trusted or not issubclass(target, KINDS):
        raise RequestError(f"{where}._target_={path} is refused: it must be a class of "
                           f"{', '.join(extensions.trusted())}, and a {_kind_name(KINDS)}")
    module = f"{target.__module__}."
    if module.partition(".")[0] in FOREIGN_PACKAGES and not module.startswith(tuple(f"{each}." for each in FOREIGN)):
        raise RequestError(f"{where}._target_={path} is refused: of {', '.join(FOREIGN_PACKAGES)} only classes of "
                           f"{', '.join(FOREIGN)} are made, as others may read files that run code. Make it in a class "
                           "of your own package (docs/extensions.md), and name that")
    return target


def _import_target(path: str, where: str) -> Any:
    """Returns the object that a dotted path names.

    An extension that fails while it is imported is its author's mistake, so the user reads a sentence. A module of ours
    that fails is a bug, so its traceback is shown.
    """
    module_name, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except Exception as error:
        is_missing = isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}.")
        if is_missing or isinstance(error, AttributeError) and getattr(error, "name", None) == name:
            raise RequestError(f"{where}._target_={path} does not exist: {error}") from error
        if module_name.split(".")[0] in extensions.OURS:
            raise
        raise RequestError(f"{where}._target_={path} cannot be used, as {module_name} fails while it is imported: "
                           f"{extensions.place_of(error)}") from error


def _check_arguments(target: type, settings: Settings, where: str) -> None:
    accepted = arguments(target)
    for name in settings:
        if name not in accepted and not name.startswith("_"):
            raise RequestError(f"{where}.{name} is not a setting of {target.__name__}{nearest(name, accepted)}")


def arguments(target: type) -> set[str]:
    """Returns the names of a constructor's arguments, and of its base class's where it has ** to hand on."""
    names: set[str] = set()
    for each in target.__mro__:
        if "__init__" in vars(each):
            parameters = inspect.signature(each.__init__).parameters.values()
            names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return names


def _kind_name(kind: type | tuple[type, ...]) -> str:
    return " or ".join(each.__name__ for each in (kind if isinstance(kind, tuple) else (kind,)))
