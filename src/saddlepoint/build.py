"""Builds the objects that a configuration describes: networks, losses, tricks, data, metrics, callbacks.

`make` contains the only call of Hydra's `instantiate`. A configuration may come from a checkpoint that somebody else
wrote, so each `_target_` is checked first: it must be a class of a trusted package and of a known kind, not a function.
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
from saddlepoint.game.freezing import freeze_first_layers
from saddlepoint.game.latents import Latents
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.networks import PLAYERS, HasBoundary
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Schedule
from saddlepoint.game.translation import TranslationModule
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Metric
from saddlepoint.networks.virtual_batch import give_reference, needs_reference, reference_of

KINDS = (nn.Module, Optimizer, Dataset, pl.LightningDataModule, pl.Callback, Logger, Metric, AdversarialLoss, Turns,
         Schedule, Latents)

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


# The parts of an experiment.


def task(settings: Settings) -> type[AdversarialModule]:
    """Returns the class of the game. Refuses a model that lacks one of its networks or has one that is not among them.
    """
    model = settings["model"]
    game = target_class(model["module"], "model.module")
    if not issubclass(game, AdversarialModule):
        raise RequestError(f"model.module._target_={model['module']['_target_']} must be an AdversarialModule, and is "
                           "not")
    for name in game.further_networks:
        if name not in model:
            raise RequestError(f"model.{name} is missing: {game.__name__} (model.module) plays with a network of this "
                               "name, which the yaml file of model= must have")
    known = {*PLAYERS, *game.further_networks, "module", "turns", "latents"}
    for name, part in model.items():
        if name not in known and isinstance(part, Mapping) and "_target_" in part:
            raise RequestError(f"model.{name} must be removed: {game.__name__} (model.module) plays with no network of "
                               f"this name, only with {', '.join((*PLAYERS, *game.further_networks))}")
    return game


def networks(settings: Settings) -> dict[str, nn.Module]:
    """Builds all networks by name, generator and discriminator first, with first weights from torch's global random
    generator."""
    return {name: network(settings, name) for name in (*PLAYERS, *task(settings).further_networks)}


def network(settings: Settings, name: str) -> nn.Module:
    """Builds the network model.<name>: a discriminator as the tricks want it, a generator with room for a reference
    batch where it needs one."""
    given, where, game = settings["model"][name], f"model.{name}", task(settings)
    if "discriminator" in (name, game.further_networks.get(name)):
        for trick in _tricks_on_networks(settings):
            given = trick.discriminator_settings(given, where, game)
    built = make(given, nn.Module, where)
    if name == "generator" and hasattr(built, "latent_dim") and needs_reference(built):
        size = settings["data"]["batch_size"]
        give_reference(built, torch.zeros(size, built.latent_dim), torch.zeros(size, dtype=torch.long))
    return built


def give_reference_batch(network: nn.Module, latents: Latents, seed: int) -> None:
    """Gives a generator that needs one its reference batch: latents that are drawn once, by the seed, and all classes
    in turn."""
    reference = reference_of(network)
    if reference is not None and not reference.latents.is_meta:  # where nothing has numbers
        classes = torch.arange(reference.size) % max(getattr(network, "num_classes", 0), 1)
        drawn = latents.draw(RandomStreams(seed, 0, player="reference"), reference.size)
        give_reference(network, drawn, classes)


def _tricks_on_networks(settings: Settings) -> list[Trick]:
    """Builds those of trick=[...] that change how discriminators are built, without drawing a random number."""
    with torch.random.fork_rng():
        return [trick for trick in tricks(settings).values()
                if type(trick).discriminator_settings is not Trick.discriminator_settings]


def players(networks: Mapping[str, nn.Module], further: Mapping[str, str]) -> dict[str, nn.Module]:
    """Returns generator and discriminator, each a network, or an nn.ModuleDict of those that its optimizer trains.

    `further` are the names of networks beside these two, each with its player.
    """
    names = {player: [player, *(name for name, other in further.items() if other == player)] for player in PLAYERS}
    return {player: nn.ModuleDict({name: networks[name] for name in own}) if len(own) > 1 else networks[player]
            for player, own in names.items()}


def tricks(settings: Settings) -> dict[str, Trick]:
    """Builds the tricks of trick=[...], in this order."""
    return {name: make(settings["tricks"][name], Trick, f"tricks.{name}") for name in settings["trick"]}


def content(settings: Settings) -> dict[str, nn.Module]:
    """Builds the content losses with a weight; those that compare features get the network of perceptual=."""
    losses = {}
    for name, each in active_content_losses(settings):
        needs_extractor = _needs_extractor(name, each)
        more = {"extractor": make(settings["perceptual"], nn.Module, "perceptual")} if needs_extractor else {}
        losses[name] = make(each, nn.Module, f"model.content.{name}", **more)
    return losses


def active_content_losses(settings: Settings) -> list[tuple[str, Settings]]:
    """Returns names and settings of the content losses with a weight; without perceptual=, of those that need none."""
    return [(name, each) for name, each in settings["model"].get("content", {}).items()
            if each["weight"] and (settings["perceptual"] or not _needs_extractor(name, each))]


def content_phases(settings: Settings) -> frozenset[str]:
    """Returns the phases (always, warmup, game) in which some content loss counts."""
    return frozenset(each["during"] for _, each in active_content_losses(settings))


def _needs_extractor(name: str, loss: Settings) -> bool:
    return "extractor" in arguments(target_class(loss, f"model.content.{name}"))


def _schedule(settings: Settings | float) -> Schedule | float:
    return make(settings, Schedule, "optimizer.schedule") if isinstance(settings, Mapping) else settings


def module(settings: Settings,
           initialise: Callable[[Mapping[str, nn.Module]], Mapping[str, Any]] | None = None) -> AdversarialModule:
    """Builds the whole game. Its first weights are a function of the seed; its `provenance` has the settings.

    `initialise` is called with the players before the game is built, and may give them other first weights; what it
    returns stands in the provenance as `first_weights`.
    """
    model, optimizer = settings["model"], settings["optimizer"]
    parts = {
        "loss": make(settings["loss"], AdversarialLoss, "loss"),
        "optimizers": Optimizers(
            make(optimizer["generator"], Optimizer, "optimizer.generator"),
            make(optimizer["discriminator"], Optimizer, "optimizer.discriminator"),
            _schedule(optimizer["schedule"]),
        ),
        "turns": make(model["turns"], Turns, "model.turns"),
        "seed": settings["seed"],
    }
    if "content" in model:
        parts["content"] = content(settings)
    with torch.random.fork_rng():
        torch.manual_seed(settings["seed"])
        built = networks(settings)
        if "latents" in model:
            latents = make(model["latents"], Latents, "model.latents")
            parts |= {"latents": latents, "num_classes": settings["data"]["num_classes"]}
            give_reference_batch(built["generator"], latents, settings["seed"])
        for network in built.values():
            if isinstance(network, HasBoundary):
                network.follow_loss(parts["loss"].boundary)
        both = players(built, task(settings).further_networks)
        first_weights = initialise(both) if initialise else {}
        game = make(model["module"], AdversarialModule, "model.module", tricks=tricks(settings), **both, **parts)
    freeze_first_layers(game, model.get("freeze_discriminator", 0))
    game.provenance = {"settings": dict(settings), "versions": versions(), "revision": revision(),
                       "extensions": [each.provenance() for each in extensions.in_use()],
                       "first_weights": first_weights}
    return game


def data(settings: Settings) -> ImageDataModule:
    return make(settings["data"], ImageDataModule, "data")


def extractor(settings: Settings) -> Extractor:
    return make(settings["extractor"], Extractor, "extractor").requires_grad_(False).eval()


def metrics(settings: Settings) -> dict[str, Metric]:
    """Builds all metrics there are; metric=[...] chooses among them later."""
    built = {name: make(each, Metric, f"metrics.{name}") for name, each in settings["metrics"].items()}
    for name, metric in built.items():
        if lacking := [each for each in ("name", "greater_is_better") if not hasattr(metric, each)]:
            raise RequestError(f"metrics.{name}: the class {type(metric).__name__} lacks {' and '.join(lacking)}. Add, "
                               f"for example, name = \"{name}\" and greater_is_better = False to its body")
    return built


def callbacks(settings: Settings, data: ImageDataModule, module: AdversarialModule) -> list[pl.Callback]:
    """Builds the callbacks. Those whose constructor takes `context` share one; those that take `data` get the data.
    Each gets the attribute `setting`, e.g. callbacks.image_grid."""
    built, context = [], EvaluationContext(lambda: extractor(settings), lambda: metrics(settings), data, module)
    for name, each in settings["callbacks"].items():
        if "_target_" not in each:  # an experiment's settings of a callback that callbacks=none left out
            continue
        where, more = f"callbacks.{name}", {}
        target = target_class(each, where)
        if getattr(target, "needs_latents", False) and "latents" not in settings["model"]:
            fitting = "translation" if issubclass(task(settings), TranslationModule) else "super_resolution"
            raise RequestError(f"{where} draws images from noise, and model={settings['choices']['model']} makes none: "
                               f"type callbacks={fitting}")
        if getattr(target, "needs_images", False) and (things := data.things) != "images":
            raise RequestError(f"{where} draws images, and data={settings['choices']['data']} has {things}: type "
                               f"callbacks={things}")
        names = arguments(target)
        if "context" in names:
            more = {"context": context}
        elif "data" in names:
            more = {"data": data}
        built.append(make(each, pl.Callback, where, **more))
        built[-1].setting = where
    return built
