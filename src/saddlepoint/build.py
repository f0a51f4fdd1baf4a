"""Builds the objects that a configuration describes: networks, losses, tricks, data, metrics, callbacks."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import Optimizer

from saddlepoint.config import extensions
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
from saddlepoint.making import Settings, arguments, make, target_class
from saddlepoint.metrics.context import EvaluationContext
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Metric
from saddlepoint.networks.virtual_batch import give_reference, needs_reference, reference_of


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


@torch.no_grad()
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
    for name, count in Counter(type(each).__name__ for each in built
                               if type(each).state_dict is not pl.Callback.state_dict).items():
        if count > 1:
            settings_of = " and ".join(each.setting for each in built if type(each).__name__ == name)
            raise RequestError(f"{settings_of} are all of a class called {name}, by which checkpoints keep what a "
                               "callback remembers: leave all but one out, or give each a class of its own "
                               "(class Mine(Theirs))")
    return built
