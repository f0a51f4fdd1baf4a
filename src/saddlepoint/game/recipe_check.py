"""Finds every reason why a recipe cannot train, and what to type instead, before any memory is allocated."""

from collections.abc import Iterator

from torch import nn

from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.freezing import freezable_layers
from saddlepoint.game.networks import HasClassLogits, KeepsStatistics
from saddlepoint.game.recipe import Problem, Recipe, has_batch_norm
from saddlepoint.game.trick import overrides
from saddlepoint.game.turns import simultaneous


def problems(recipe: Recipe) -> list[Problem]:
    """Returns every reason why the recipe cannot train, from the loss, the tricks and the shapes, each once."""
    complaints = [*recipe.loss.problems(recipe)]
    for name, trick in recipe.tricks.items():
        complaints += trick.problems(recipe)
        if not trick.acts:
            complaints.append(Problem(f"trick={name} does nothing: {type(trick).__name__} overrides no method by which "
                                      "a trick acts, e.g. discriminator_loss. Is its name misspelt?"))
    complaints += _range_problems(recipe)
    complaints += _batch_problems(recipe)
    complaints += _comparison_problems(recipe)
    complaints += _reference_problems(recipe)
    complaints += _class_problems(recipe)
    complaints += _turns_problems(recipe)
    complaints += _freezing_problems(recipe)
    complaints += recipe.module.problems(recipe)
    return list({problem.reason: problem for problem in complaints}.values())


def warnings(recipe: Recipe) -> list[str]:
    """Returns sentences about a recipe that can train, but hardly as its user intends."""
    sentences = [sentence for trick in recipe.tricks.values() for sentence in trick.warnings(recipe)]
    for name, network in recipe.networks.items() if not recipe.bounded else ():
        if any(isinstance(layer, nn.Tanh) for layer in network.modules()):
            sentences.append(f"model.{name} has tanh, and if its output does, it makes no number beyond [-1, 1], as "
                             "the data have: choose a model without, e.g. model=r3gan")
    taught = recipe.module.teaches_classes or recipe.provides("class_terms")
    if isinstance(recipe.discriminator, HasClassLogits) and not taught:
        sentences.append("the discriminator tells classes apart only if it is taught to, and without that the "
                         "generator's classes mean nothing: add trick=[auxiliary_classifier]")
    conditional = [getattr(network, "num_classes", 0) for network in (recipe.generator, recipe.discriminator)]
    if recipe.latents and conditional[1] and not conditional[0]:
        sentences.append("the discriminator is conditional and the generator is not (it has no attribute num_classes): "
                         "its images cannot be of the classes that the discriminator is told")
    return sentences


def _range_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps networks from making numbers beyond [-1, 1], where the data have such."""
    for name, network in recipe.networks.items() if not recipe.bounded else ():
        if getattr(network, "output_activation", None) == "tanh":
            yield Problem(f"model.{name}.output_activation=tanh makes numbers in [-1, 1], and those of the data are "
                          "beyond", {f"model.{name}.output_activation": "none"})


def _batch_problems(recipe: Recipe) -> Iterator[Problem]:
    if recipe.turns.scoring == "half" and recipe.batch_size % 2:
        yield Problem(f"model.turns.scoring=half splits a batch in two, and data.batch_size={recipe.batch_size} is odd",
                      {"data.batch_size": recipe.batch_size + 1})
    elif recipe.source_channels is None:
        reals, pack = recipe.turns.real_images(recipe.batch_size), recipe.images_of_a_pack
        for name, network, rows in (("generator", recipe.generator, reals),
                                    ("discriminator", recipe.discriminator, reals // pack)):
            if rows < 2 and has_batch_norm(network):
                what = "image" if rows == reals else "pack"
                yield Problem(f"data.batch_size={recipe.batch_size} leaves BatchNorm in the {name} a single {what}, "
                              f"and one {what} has no statistics", {f"model.{name}.normalization": "layer"})


def _reference_problems(recipe: Recipe) -> Iterator[Problem]:
    if any(isinstance(layer, KeepsStatistics) and layer.size < 2 for layer in recipe.generator.modules()):
        yield Problem("model.generator.normalization=virtual_batch normalises by a reference batch as large as "
                      f"data.batch_size={recipe.batch_size}, and a single image has no statistics",
                      {"data.batch_size": 16})


def _comparison_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps a discriminator from comparing reals with reals and as many fakes with fakes."""
    turns, rows = recipe.turns, recipe.turns.real_images(recipe.batch_size) // recipe.images_of_a_pack
    for name, layer in recipe.comparing_layers:
        where, what = f"model.{name}.{layer.setting}", "images" if recipe.images_of_a_pack == 1 else "packs"
        if turns.scoring == "together":
            yield Problem(f"{where} compares the {what} of a batch, reals with reals and fakes with fakes, and "
                          "model.turns.scoring=together shows the discriminator both in one batch",
                          {"model.turns.scoring": "separate"})
        if layer.group is None:
            reals = turns.real_images(recipe.batch_size)
            if {turns.discriminator_fakes(reals), turns.generator_fakes(reals)} != {reals}:
                yield Problem(f"{where} sums over the other {what} of a batch, so that reals and both players' fakes "
                              "must be equally many, and model.turns (scoring, fake_batch_multiple, "
                              "generator_batch_multiple) makes them differ",
                              {"model.turns.scoring": "separate", "model.turns.fake_batch_multiple": 1,
                               "model.turns.generator_batch_multiple": 1})
            if rows < 2:
                yield Problem(f"{where} compares an image with the others of its batch, and data.batch_size="
                              f"{recipe.batch_size} leaves none",
                              {"data.batch_size": 2 * recipe.images_of_a_pack * (1 + (turns.scoring == "half"))})
        elif rows % layer.group:
            whole = layer.group * recipe.images_of_a_pack * (1 + (turns.scoring == "half"))
            yield Problem(f"{where}={layer.group} does not divide the {rows} real {what} that data.batch_size="
                          f"{recipe.batch_size} gives an update",
                          {"data.batch_size": -(-recipe.batch_size // whole) * whole})


def _class_problems(recipe: Recipe) -> Iterator[Problem]:
    for name, network in (("generator", recipe.generator), ("discriminator", recipe.discriminator)):
        classes = getattr(network, "num_classes", 0)
        if classes and not recipe.num_classes:
            yield Problem(f"model.{name} is conditional ({classes} classes) and the data has no classes "
                          "(data.num_classes=0): choose data with classes or an unconditional model, e.g. model=dcgan")
        elif classes and classes != recipe.num_classes:
            yield Problem(f"model.{name}.num_classes={classes} and data.num_classes={recipe.num_classes} must be equal",
                          {f"model.{name}.num_classes": recipe.num_classes})


def _turns_problems(recipe: Recipe) -> Iterator[Problem]:
    """Yields what a task or a trick does and the turns would leave out or do twice."""
    turns, task = recipe.turns, recipe.module
    if turns.scoring == "half" and task.discriminator_terms is not AdversarialModule.discriminator_terms:
        yield Problem("model.turns.scoring=half makes two updates of the discriminator on a batch, and the terms that "
                      "this model adds to its loss would count in both", {"model.turns.scoring": "separate"})
    if turns.order != "simultaneous":
        for name, trick in recipe.tricks.items():
            if overrides(trick, "both_losses"):
                yield Problem(f"trick=[{name}] adds to both players' losses what it computes of both at the same "
                              f"weights, and model.turns.order={turns.order} moves one after the other",
                              {f"model.turns.{name}": value for name, value in simultaneous(turns).items()})
        return
    if task.for_discriminator is not AdversarialModule.for_discriminator:
        yield Problem("model.turns.order=simultaneous lets both players move on the same fakes, and this model shows "
                      "its discriminator others", {"model.turns.order": "alternating"})
    for name, trick in recipe.tricks.items():
        if overrides(trick, "opponent"):
            yield Problem(f"trick=[{name}] lets the generator play against another discriminator, and "
                          "model.turns.order=simultaneous has one pass through one discriminator for both players",
                          {"model.turns.order": "alternating"})


def _freezing_problems(recipe: Recipe) -> Iterator[Problem]:
    typed = f"model.freeze_discriminator={recipe.frozen_layers}"
    for name, network in recipe.discriminators.items() if recipe.frozen_layers else ():
        if (count := len(freezable_layers(network))) < recipe.frozen_layers:
            yield Problem(f"{typed}: {type(network).__name__} (model.{name}) has {count} layers that can be frozen, "
                          "all but those that give its logits", {"model.freeze_discriminator": count})
    if recipe.frozen_layers and recipe.starts_at_random:
        yield Problem(f"{typed} keeps layers as they start, and the discriminator starts at random: type model."
                      "initialise=RUN or model.initialise_discriminator=RUN as well, or leave it out",
                      {"model.freeze_discriminator": 0})
