"""Top-k training: G learns from its best fakes only."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated

from saddlepoint.config.rules import number
from saddlepoint.game.recipe import Problem, Recipe
from saddlepoint.game.schedule import Schedule, as_schedule
from saddlepoint.game.step import Side, Step, each_part
from saddlepoint.game.trick import Trick


class TopK(Trick):
    """G's adversarial loss is the mean over the k fakes of an update to which D gives the highest logits.

    Sinha et al. 2020, https://arxiv.org/abs/2002.06224: D's gradient with respect to a bad fake may lead away from the
    data. k falls over training from all fakes to half of them. Of logits for patches the mean of an image counts. Terms
    of other tricks are over all fakes, and so are terms of D. Each process chooses among its own fakes.

    share: of the fakes, above 0 to 1; a number or a schedule. k is at least 1
    """

    def __init__(self, share: Annotated[Schedule | float, number(0, 1, above=True)]):
        super().__init__()
        self.share = as_schedule(share, "tricks.top_k.share", low=1e-6, high=1)

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        name = self.name_in(recipe)
        if recipe.loss.needs_real_logits:
            yield Problem(f"trick=[{name}] leaves out fakes of the generator's update, and loss={recipe.loss_name} "
                          "compares each fake with a real image: type another loss, e.g. loss=hinge, or leave the "
                          "trick out", {"trick": recipe.trick_list(without=[name])})
        if recipe.turns.order == "simultaneous":
            yield Problem(f"trick=[{name}] leaves out fakes of the generator's update alone, and "
                          "model.turns.order=simultaneous scores the same fakes for both players",
                          {"model.turns.order": "alternating"})

    def schedules(self) -> Mapping[str, Schedule]:
        return {"share": self.share}

    def variant(self, images_seen: int, batch_size: int) -> Hashable:
        """Returns the share in steps of one image of a batch, as k decides the shapes of a step."""
        return max(round(self.share(images_seen) * batch_size), 1) / batch_size

    def generator_sides(self, sides: tuple[Side, ...], step: Step) -> tuple[Side, ...]:
        *reals, fakes = sides
        scores = fakes.logits.detach().flatten(1).mean(1) if fakes.logits.ndim > 1 else fakes.logits.detach()
        best = scores.topk(max(round(step.variant(self) * len(scores)), 1)).indices
        return *reals, Side(fakes.name, each_part(lambda part: part[best], fakes.shown), fakes.labels[best],
                            fakes.logits[best])
