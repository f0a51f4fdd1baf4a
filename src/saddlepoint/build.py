"""Configuration -> objects. Only this file and what stands between the shell and Hydra know Hydra.

`make` is the single call of `instantiate`. A configuration may come out of a checkpoint somebody else wrote, so a
`_target_` is resolved by hand first and must be a class of a known package and a known kind; functions are refused.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
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
from saddlepoint.data.images import ImageDataModule
from saddlepoint.environment import revision, versions
from saddlepoint.errors import RequestError
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.latents import Latents
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.schedule import Schedule
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Metric

KINDS = (nn.Module, Optimizer, Dataset, pl.LightningDataModule, pl.Callback, Logger, Metric, AdversarialLoss, Turns,
         Schedule, Latents)

Settings = Mapping[str, Any]  # a resolved configuration: plain dictionaries, lists, numbers, strings


def make(settings: Settings, kind: type | tuple[type, ...], where: str, **more: Any) -> Any:
    """The object that `settings` describes, a `kind`; `where` is its place in the configuration, for messages."""
    check_targets(settings, where)
    target = target_class(settings, where)
    if not issubclass(target, kind):
        raise RequestError(f"{where}._target_={settings['_target_']} must be a {_kind_name(kind)}, and is not")
    if wrong := [*map(str, complaints_of_constructors(settings, where))]:
        raise RequestError("\n".join(wrong))
    if handed_over := settings.keys() & more.keys():
        raise RequestError(f"{where}.{min(handed_over)} must be removed: it is not a setting of {target.__name__}")
    try:
        return instantiate(_literally(settings), _convert_="all", **more)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError | RequestError):
            raise RequestError(str(error.__cause__)) from error
        if missing := _missing_arguments(error.__cause__):
            raise RequestError(f"{where} lacks {missing}, which {settings['_target_']} needs: a setting was taken out "
                               "by hand, or belongs to another version") from error
        raise error.__cause__ or error from None


def _literally(settings: Any) -> Any:
    """The settings are resolved: a ${ that is left in a path is part of its name. Hydra would resolve it, twice."""
    if isinstance(settings, Mapping):
        return {key: _literally(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [*map(_literally, settings)]
    return without_interpolation(without_interpolation(settings)) if isinstance(settings, str) else settings


def _missing_arguments(error: BaseException | None) -> str:
    """`root`, where a constructor was called without it; empty for every other error"""
    said = re.search(r"__init__\(\) missing \d+ required .*arguments?: (.*)", str(error))
    return said[1].replace("'", "") if isinstance(error, TypeError) and said else ""


def check_targets(settings: Any, where: str) -> None:
    """Every `_target_` at any depth is trusted and takes the settings beside it; nothing else steers instantiation."""
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
    """Returns the class that `_target_` names. Refuses what is no class of a trusted package, or of no known kind."""
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
    target = _imported(str(path), where)
    trusted = inspect.isclass(target) and target.__module__.split(".")[0] in extensions.trusted()
    if not trusted or not issubclass(target, KINDS):
        raise RequestError(f"{where}._target_={path} is refused: it must be a class of "
                           f"{', '.join(extensions.trusted())}, and a {_kind_name(KINDS)}")
    return target


def _imported(path: str, where: str) -> Any:
    """Returns what a dotted path names. An extension that fails while it is imported is a user's slip, so it becomes a
    sentence; a module of ours that fails is a bug, and keeps its traceback."""
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
    known = arguments(target)
    for name in settings:
        if name not in known and not name.startswith("_"):
            raise RequestError(f"{where}.{name} is not a setting of {target.__name__}{nearest(name, known)}")


def arguments(target: type) -> set[str]:
    """The names a constructor takes; where it hands **settings on to its base class, the base's as well."""
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


# What an experiment consists of.


def networks(settings: Settings) -> tuple[nn.Module, nn.Module]:
    """-> generator, discriminator, with random weights from torch's global generator"""
    model = settings["model"]
    return (make(model["generator"], nn.Module, "model.generator"),
            make(model["discriminator"], nn.Module, "model.discriminator"))


def tricks(settings: Settings) -> dict[str, Trick]:
    return {name: make(settings["tricks"][name], Trick, f"tricks.{name}") for name in settings["trick"]}


def content(settings: Settings) -> dict[str, nn.Module]:
    """The content losses that count; the perceptual one looks through the network of perceptual=."""
    losses = {}
    for name, each in counting_content(settings):
        looks = _looks_through_a_network(name, each)
        more = {"extractor": make(settings["perceptual"], nn.Module, "perceptual")} if looks else {}
        losses[name] = make(each, nn.Module, f"model.content.{name}", **more)
    return losses


def counting_content(settings: Settings) -> list[tuple[str, Settings]]:
    """Names and settings of those with a weight; without perceptual=, of those that need no network"""
    return [(name, each) for name, each in settings["model"].get("content", {}).items()
            if each["weight"] and (settings["perceptual"] or not _looks_through_a_network(name, each))]


def content_moments(settings: Settings) -> frozenset[str]:
    return frozenset(each["during"] for _, each in counting_content(settings))


def _looks_through_a_network(name: str, loss: Settings) -> bool:
    return "extractor" in arguments(target_class(loss, f"model.content.{name}"))


def _schedule(settings: Settings | float) -> Schedule | float:
    return make(settings, Schedule, "optimizer.schedule") if isinstance(settings, Mapping) else settings


def module(settings: Settings, initialise: Callable[[nn.Module], object] | None = None) -> AdversarialModule:
    """Builds the whole game, its first weights a function of the seed. It carries the settings it was built from.

    `initialise` is handed the generator before the game is made, and may give it other first weights.
    """
    model, optimizer = settings["model"], settings["optimizer"]
    parts = {
        "loss": make(settings["loss"], AdversarialLoss, "loss"),
        "tricks": tricks(settings),
        "optimizers": Optimizers(
            make(optimizer["generator"], Optimizer, "optimizer.generator"),
            make(optimizer["discriminator"], Optimizer, "optimizer.discriminator"),
            _schedule(optimizer["schedule"]),
        ),
        "turns": make(model["turns"], Turns, "model.turns"),
        "seed": settings["seed"],
    }
    if "latents" in model:
        parts |= {"latents": make(model["latents"], Latents, "model.latents"),
                  "num_classes": settings["data"]["num_classes"]}
    if "content" in model:
        parts["content"] = content(settings)
    with torch.random.fork_rng():
        torch.manual_seed(settings["seed"])
        generator, discriminator = networks(settings)
        if initialise:
            initialise(generator)
        made = make(model["module"], AdversarialModule, "model.module",
                    generator=generator, discriminator=discriminator, **parts)
    made.provenance = {"settings": dict(settings), "versions": versions(), "revision": revision(),
                       "extensions": [each.provenance() for each in extensions.in_use()]}
    return made


def data(settings: Settings) -> ImageDataModule:
    return make(settings["data"], ImageDataModule, "data")


def extractor(settings: Settings) -> Extractor:
    return make(settings["extractor"], Extractor, "extractor").requires_grad_(False).eval()


def metrics(settings: Settings) -> dict[str, Metric]:
    """All there are; metric=[...] says which are measured."""
    return {name: make(each, Metric, f"metrics.{name}") for name, each in settings["metrics"].items()}


def callbacks(settings: Settings, data: ImageDataModule, module: AdversarialModule) -> list[pl.Callback]:
    """Callbacks that measure are handed one context."""
    made, context = [], EvaluationContext(lambda: extractor(settings), lambda: metrics(settings), data, module)
    for name, each in settings["callbacks"].items():
        if "_target_" not in each:  # an experiment's settings of a callback that callbacks=none left out
            continue
        where, more = f"callbacks.{name}", {}
        target = target_class(each, where)
        if getattr(target, "needs_latents", False) and "latents" not in settings["model"]:
            raise RequestError(f"{where} draws images from noise, and model={settings['choices']['model']} makes none: "
                               "type callbacks=super_resolution")
        wanted = arguments(target)
        if "context" in wanted:
            more = {"context": context}
        elif "data" in wanted:
            more = {"data": data}
        made.append(make(each, pl.Callback, where, **more))
    return made
