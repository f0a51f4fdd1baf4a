"""What one update of one player is about, as tasks, losses and tricks see it.

N reals, M fakes, L latents. Images are float32 in [-1, 1].
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor, nn

from saddlepoint.errors import RequestError
from saddlepoint.game.precision import exact
from saddlepoint.game.random_streams import RandomStreams

if TYPE_CHECKING:
    from saddlepoint.game.loss import AdversarialLoss
    from saddlepoint.game.recording import Tape
    from saddlepoint.game.trick import Trick

Shown = Tensor | tuple[Tensor, ...]
"""What D is shown of one side: images [N, C, H, W], points [N, 2], codes [N, L], or a tuple of several of these. The
first part of a tuple is judged, and input tricks act on it; the others are its partner or condition."""


class Targets(NamedTuple):
    """The probabilities of being real that a loss trains D(x) towards, for reals and for fakes; each [] or [N]."""

    real: Tensor
    fake: Tensor


class Contest(NamedTuple):
    """One discriminator and what it has to tell apart. A task yields one or several for each update."""

    name: str  # "" if it is the only one; else its terms are called discriminator/<name>.adversarial and so on
    generator: nn.Module  # the network that made the fakes
    discriminator: nn.Module  # called with the parts of a side and its labels
    real: Shown  # N rows
    fake: Shown  # M rows
    real_labels: Tensor  # [N]
    fake_labels: Tensor  # [M]
    latents: Tensor  # [M, L] that the fakes were made from; [M, 0] if they were made from images
    reals_are_made: bool = False  # True: G also made reals, e.g. (x, E(x)), and wants D to be wrong about both sides

    def detached(self) -> "Contest":
        """Returns the contest with sides through which no gradient reaches G."""
        return self._replace(real=each_part(Tensor.detach, self.real), fake=each_part(Tensor.detach, self.fake))


class Side(NamedTuple):
    """The reals or the fakes of an update of D, with D's logits."""

    name: str  # real or fake
    shown: Shown  # n rows, before any input trick
    labels: Tensor  # [n]
    logits: Tensor  # [n], or [n, 1, h, w] with one for each patch


class Changing:
    """What changes from one update to the next beside tensors: numbers and forms that follow images seen.

    A step that is recorded (trainer.record=true) is played again without its Python code. So a number that changes
    over training is asked for by `value`, and a choice between operations by `variant`; whoever computes with
    `images_seen` instead is not recorded, which a sentence says.
    """

    def value(self, of: Callable[[int], float]) -> float | Tensor:
        """Returns `of(images_seen)`, e.g. of a Schedule: a number, or in a recorded step a tensor [] on the device that
        has this number whenever the step is played. `of` is called once in each update."""
        return self.tape.value(of) if self.tape else of(self.images_seen)

    def variant(self, trick: "Trick") -> Hashable:
        """Returns which of its forms a trick has in this update (Trick.variant)."""
        images_seen = self.tape.images_seen if self.tape else self.images_seen
        return trick.variant(images_seen, self.batch_size)


@dataclass(frozen=True)
class Update(Changing):
    """One update of one player, or of both at once. `generator` and `discriminator` are the players: a network, or an
    nn.ModuleDict of those that one optimizer trains.

    On a GPU the host does not wait to see whether an update was left out because something in it is not finite. What a
    trick does to weights must then be left out as well, by `left_out`.
    """

    images_seen: int  # real images shown to D before this update
    batch_size: int  # real images of the batch, over all processes
    random: RandomStreams  # the update's only source of random numbers
    generator: nn.Module
    discriminator: nn.Module
    left_out: Tensor | None = None  # [] on the device: 1 if the update was left out, else 0; None: it was not
    tape: "Tape | None" = None  # of a step that is recorded


@dataclass(frozen=True)
class Step(Changing):
    """One contest in one update. `generator` and `discriminator` are the networks of this contest.

    The fields up to `reals_are_made` are those of the Contest. In D's update nothing in them needs a gradient, unless
    both players move at once (model.turns.order=simultaneous).
    """

    contest: str  # its name
    generator: nn.Module
    discriminator: nn.Module
    real: Shown
    fake: Shown
    real_labels: Tensor
    fake_labels: Tensor
    latents: Tensor
    reals_are_made: bool
    images_seen: int  # real images shown to D before this update
    batch_size: int  # real images of the batch, over all processes
    random: RandomStreams  # the update's only source of random numbers
    loss: "AdversarialLoss"
    input_tricks: Callable[[Tensor, "Step"], Tensor]
    tape: "Tape | None" = field(default=None, kw_only=True)  # of a step that is recorded

    def prepare(self, shown: Shown) -> Shown:
        """Returns what D is shown of a side: input tricks change its images, the first part of a tuple."""
        if isinstance(shown, Tensor):
            return self.input_tricks(shown, self)
        return self.input_tricks(shown[0], self), *shown[1:]

    def score(self, shown: Shown, labels: Tensor) -> Tensor:
        """Returns D's logits [n] or [n, 1, h, w] of n rows, input tricks included; float32 whatever D computes in."""
        return self.logits(self.prepare(shown), labels)

    def logits(self, prepared: Shown, labels: Tensor) -> Tensor:
        """Returns what `score` does, of rows that went through the input tricks already."""
        return exact(self.discriminator(*parts(prepared), labels))

    def named(self, term: str) -> str:
        """Returns the name of a term of this contest's loss, e.g. adversarial, or target.adversarial."""
        return f"{self.contest}.{term}" if self.contest else term


@dataclass(frozen=True)
class DiscriminatorStep(Step):
    """One contest in D's update, with the sides that the update scores: reals and fakes, or one of the two where
    model.turns.scoring=half makes an update on each."""

    sides: tuple[Side, ...]

    def adversarial(self, targets: Targets) -> Tensor:
        """Returns D's loss [], or its term on the one side that is scored."""
        logits = [side.logits for side in self.sides]
        if len(self.sides) == 2:
            return self.loss.discriminator(*logits, targets)
        return (self.loss.real_term if self.sides[0].name == "real" else self.loss.fake_term)(*logits, targets)


@dataclass(frozen=True)
class GeneratorStep(Step):
    """One contest in G's update, with the sides that were scored: the fakes, after the reals where the loss needs
    them."""

    sides: tuple[Side, ...]

    @property
    def fake_logits(self) -> Tensor:
        """D's logits of the fakes, [M] or [M, 1, h, w]."""
        return self.sides[-1].logits

    def adversarial(self) -> Tensor:
        """Returns G's loss []."""
        real_logits = self.sides[0].logits if len(self.sides) == 2 else None
        if self.reals_are_made:
            return self.loss.of_both_sides(self.fake_logits, real_logits)
        return self.loss.generator(self.fake_logits, real_logits)


def total_of(terms: Mapping[str, Tensor]) -> Tensor:
    """Returns the sum [] of a loss's terms. Raises a RequestError if a term is not a single number."""
    total = sum(terms.values())
    if total.numel() != 1:
        name, term = next((name, term) for name, term in terms.items() if term.numel() != 1)
        what = "loss" if name == "adversarial" else f"loss term {name}"
        raise RequestError(f"The {what} of an update has the shape {list(term.shape)}, and a network learns from a "
                           "single number: return its mean, e.g. term.mean()")
    return total


def parts(shown: Shown) -> tuple[Tensor, ...]:
    """Returns the parts of a side: of images alone, the images."""
    return (shown,) if isinstance(shown, Tensor) else shown


def each_part(function: Callable[..., Tensor], *shown: Shown) -> Shown:
    """Returns a side of the same form, made part by part by a function of the parts of one or several sides."""
    if isinstance(shown[0], Tensor):
        return function(*shown)
    return tuple(function(*each) for each in zip(*shown, strict=True))
