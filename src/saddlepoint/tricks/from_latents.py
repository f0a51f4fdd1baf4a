"""What tricks have in common that are about fakes as a function of their latents."""

from collections.abc import Iterator

from torch import Tensor

from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.step import Step, parts
from saddlepoint.game.trick import Trick


def single_fakes(step: Step) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the latents [M, L] of single fakes, their labels [M] and the fakes [M, ...], taken out of packs."""
    fakes = parts(step.fake)[0]
    latent_dim = step.generator.latent_dim
    images = step.latents.shape[1] // latent_dim  # of a pack
    if images == 1:
        return step.latents, step.fake_labels, fakes
    return (step.latents.reshape(-1, latent_dim), step.fake_labels.repeat_interleave(images),
            fakes.reshape(images * len(fakes), -1, *fakes.shape[2:]))


def latents_problems(trick: Trick, recipe: Recipe) -> Iterator[Problem]:
    """Yields what keeps a trick from asking how fakes depend on their latents."""
    typed, without = f"trick=[{trick.name_in(recipe)}]", {"trick": recipe.trick_list(without=[trick.name_in(recipe)])}
    if recipe.latents is None or recipe.module.shares_fakes or not recipe.module.fakes_are_of_latents:
        yield Problem(f"{typed} is about images as a function of their latents, and here they are made of other images "
                      f"({recipe.module.__name__}, model.module): choose a model that makes images from noise, e.g. "
                      "model=dcgan, or leave the trick out", without)
    elif recipe.images_of_a_pack > 1 and getattr(recipe.generator, "num_classes", 0):
        yield Problem(f"{typed} makes images of a class anew, and packs do not say the class of each of their images: "
                      "choose an unconditional generator, e.g. model=dcgan, or leave the trick out", without)
