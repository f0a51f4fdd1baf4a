"""Refuses recipes that cannot train, with every reason and a line to type that works."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from saddlepoint import build, making
from saddlepoint.commands import command_line
from saddlepoint.config.paths import changed
from saddlepoint.errors import RequestError
from saddlepoint.game import recipe_check
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.turns import Turns
from saddlepoint.training.first_weights import leaves_discriminator_at_random

ROUNDS = 8  # most changes tried in turn: a change may cause another problem (wgan_gp and BatchNorm)


def refuse(settings: Mapping[str, Any], script: str, overrides: Sequence[str]) -> None:
    """Refuses a recipe that cannot train; prints the warnings about one that can."""
    problems = problems_of(settings)
    if problems:
        reasons = "\n".join(f"  - {problem.reason}" for problem in problems)
        message = f"This recipe cannot train:\n{reasons}"
        changes = changes_that_work(settings)
        if changes:
            message += f"\nType instead:\n  {command_line.line(script, overrides, changes)}"
        raise RequestError(message)
    for sentence in warnings_of(settings):
        print(f"warning: {sentence}", file=sys.stderr)


def changes_that_work(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns changes of settings that make the recipe trainable, from the problems' proposals; {} if none do."""
    changes: dict[str, Any] = {}
    for _ in range(ROUNDS):
        problems = problems_of(changed(settings, changes))
        if not problems:
            return changes
        proposal = next((problem.instead for problem in problems if problem.instead), None)
        if proposal is None or changes | proposal == changes:  # it was tried, and did not help
            return {}
        changes |= proposal
    return {}


def read_recipe(settings: Mapping[str, Any]) -> tuple[Recipe | None, list[Problem]]:
    """Returns the recipe on the meta device, or None and the problems of the parts that cannot be built."""
    parts: dict[str, Any] = {}
    problems: list[Problem] = []

    def attempt(name: str, make: Callable[[], Any]) -> None:
        try:
            parts[name] = make()
        except RequestError as error:
            if Problem(str(error)) not in problems:  # both networks complain of data.image_size in the same words
                problems.append(Problem(str(error)))

    model, data = settings["model"], settings["data"]
    attempt("module", lambda: build.task(settings))
    attempt("data", lambda: making.target_class(data, "data"))
    kind = parts.pop("data", None)
    if problems := problems or [*parts["module"].data_problems(getattr(kind, "yields", ImageBatch))]:
        return None, problems  # of another task: problems of its networks with the data would mislead
    names = (*PLAYERS, *parts["module"].further_networks)
    with torch.device("meta"):
        for name in names:
            attempt(name, partial(build.network, settings, name))
    attempt("loss", lambda: making.make(settings["loss"], AdversarialLoss, "loss"))
    attempt("tricks", lambda: build.tricks(settings))
    attempt("turns", lambda: making.make(model["turns"], Turns, "model.turns"))
    if "latents" in model:
        attempt("latents", lambda: making.make(model["latents"], Latents, "model.latents"))
    if problems:
        return None, problems
    return Recipe({name: parts.pop(name) for name in names}, **{"latents": None} | parts,
                  loss_name=settings["choices"]["loss"], channels=data.get("channels"),
                  image_size=data.get("image_size"), dimensions=data.get("dimensions"),
                  edge=data.get("edge"),
                  fixed_packs=data.get("fixed_packs", 1), of_characters=getattr(kind, "of_characters", False),
                  bounded=getattr(kind, "bounded", True),
                  num_classes=data["num_classes"], batch_size=data["batch_size"], scale=data.get("scale"),
                  content=build.content_phases(settings), source_channels=data.get("source_channels"),
                  frozen_layers=model.get("freeze_discriminator", 0),
                  starts_at_random=leaves_discriminator_at_random(model)), []


def problems_of(settings: Mapping[str, Any]) -> list[Problem]:
    """Returns every reason why the recipe cannot train."""
    candidate, problems = read_recipe(settings)
    return problems if candidate is None else recipe_check.problems(candidate)


def warnings_of(settings: Mapping[str, Any]) -> list[str]:
    candidate, _ = read_recipe(settings)
    return [] if candidate is None else recipe_check.warnings(candidate)
