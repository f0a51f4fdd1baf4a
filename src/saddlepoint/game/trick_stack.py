"""The stack that calls the tricks of a game in order."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from saddlepoint.errors import RequestError
from saddlepoint.game.networks import PLAYERS
from saddlepoint.game.step import (
    Contest,
    DiscriminatorStep,
    GeneratorStep,
    Side,
    Step,
    Targets,
    Update,
    each_part,
    total_of,
)
from saddlepoint.game.trick import Trick, images_of_a_pack, overrides

if TYPE_CHECKING:
    from saddlepoint.game.players import Players

RAW = "raw"  # the weights that are trained


class TrickStack(nn.ModuleDict):
    """Tricks by name, applied in the order given; those that change networks are built first.

    Each point has a list of the tricks that override it, so a point that no trick uses costs nothing in the step.
    """

    drawn: str | None = None  # what `sampling_generator` returns: an average's name, or raw; None: what tricks choose

    def __init__(self, tricks: Mapping[str, Trick]):
        super().__init__(dict(tricks))

    def acting_at(self, point: str) -> list[tuple[str, Trick]]:
        return [(name, trick) for name, trick in self.items() if overrides(trick, point)]

    def build(self, generator: nn.Module, discriminator: nn.Module) -> None:
        for trick in sorted(self.values(), key=lambda trick: not trick.changes_networks):
            trick.build(generator, discriminator)
        self._contests = self.acting_at("contest")
        self._inputs = self.acting_at("discriminator_input")
        self._targets = self.acting_at("targets")
        self._discriminator_losses = self.acting_at("discriminator_loss")
        self._opponents = self.acting_at("opponent")
        self._generator_sides = self.acting_at("generator_sides")
        self._generator_losses = self.acting_at("generator_loss")
        self._weights_losses = self.acting_at("weights_loss")
        self._both_losses = self.acting_at("both_losses")
        self._after = {player: self.acting_at(f"after_{player}_step") for player in PLAYERS}
        of_players = {id(parameter) for player in (generator, discriminator) for parameter in player.parameters()}
        for name, trick in self.items():
            _refuse_untrained(name, trick, of_players)

    def join(self, game: "Players") -> None:
        for trick in self.values():
            trick.join(game)

    @property
    def images_of_a_pack(self) -> int:
        """How many images D is shown as one."""
        return images_of_a_pack(self.values())

    def contest(self, contest: Contest) -> Contest:
        for _, trick in self._contests:
            contest = trick.contest(contest)
        return contest

    def discriminator_input(self, images: Tensor, step: Step) -> Tensor:
        for _, trick in self._inputs:
            images = trick.discriminator_input(images, step)
        return images

    def targets(self, targets: Targets, step: Step) -> Targets:
        for _, trick in self._targets:
            targets = trick.targets(targets, step)
        return targets

    def differentiable(self, step: Step) -> Step:
        """Returns D's step with those sides by which tricks differentiate its logits as leaves of their graph."""
        sides = {side for _, trick in self._discriminator_losses for side in trick.differentiates(step)}
        return replace(step, **{side: each_part(lambda part: part.detach().requires_grad_(), getattr(step, side))
                                for side in sorted(sides)}) if sides else step

    def discriminator_losses(self, step: DiscriminatorStep) -> dict[str, Tensor]:
        """Returns the terms [] that tricks add to D's loss in this step, by the trick's name."""
        terms = {step.named(name): trick.discriminator_loss(step) for name, trick in self._discriminator_losses}
        return {name: term for name, term in terms.items() if term is not None}

    def with_opponent(self, step: Step) -> Step:
        """Returns G's step with the discriminator that tricks let G play against."""
        for _, trick in self._opponents:
            step = replace(step, discriminator=trick.opponent(step))
        return step

    def generator_sides(self, sides: tuple[Side, ...], step: Step) -> tuple[Side, ...]:
        for _, trick in self._generator_sides:
            sides = trick.generator_sides(sides, step)
        return sides

    def generator_losses(self, step: GeneratorStep) -> dict[str, Tensor]:
        """Returns the terms [] that tricks add to G's loss in this step, by the trick's name."""
        terms = {step.named(name): trick.generator_loss(step) for name, trick in self._generator_losses}
        return {name: term for name, term in terms.items() if term is not None}

    def with_generator_losses(self, terms: Mapping[str, Tensor], step: GeneratorStep) -> dict[str, Tensor]:
        """Returns the terms [] of G's loss with those that tricks add in this step, or put in the adversarial one's
        place."""
        replaced = {step.named("adversarial")} if any(trick.replaces_adversarial for trick in self.values()) else set()
        return {name: term for name, term in terms.items() if name not in replaced} | self.generator_losses(step)

    def weights_losses(self, player: str, step: Step) -> dict[str, Tensor]:
        """Returns the terms [] that tricks add to a player's loss once an update, by the trick's name."""
        terms = {name: trick.weights_loss(player, step) for name, trick in self._weights_losses}
        return {name: term for name, term in terms.items() if term is not None}

    def with_both_losses(self, terms: Mapping[str, Mapping[str, Tensor]],
                         parameters: Mapping[str, Sequence[nn.Parameter]], update: Update,
                         ) -> dict[str, dict[str, Tensor]]:
        """Returns the terms [] of each player's loss, with those that tricks add where both players move at once."""
        together = {player: dict(of_player) for player, of_player in terms.items()}
        losses = {player: total_of(of_player) for player, of_player in terms.items()} if self._both_losses else {}
        for name, trick in self._both_losses:
            for player, term in trick.both_losses(losses, parameters, update).items():
                together[player][name] = term
        return together

    def after_step(self, player: str, update: Update) -> None:
        """Calls the tricks that act after an update of this player, `generator` or `discriminator`."""
        for _, trick in self._after[player]:
            getattr(trick, f"after_{player}_step")(update)

    def parameters_trained_with(self, player: str) -> Iterator[tuple[str, nn.Parameter]]:
        """Yields the parameters of tricks that this player's optimizer trains, with their names."""
        for name, trick in self.items():
            if trick.trained_with == player:
                yield from trick.named_parameters(f"tricks.{name}")

    def averages(self) -> dict[str, nn.Module]:
        return {name: player for trick in self.values() for name, player in trick.averages().items()}

    def sampling_generator(self, generator: nn.Module) -> nn.Module:
        if self.drawn == RAW:
            return generator
        if self.drawn is not None:
            return self.averages()[self.drawn].eval()
        for trick in self.values():
            generator = trick.sampling_generator(generator)
        return generator


def _refuse_untrained(name: str, trick: Trick, of_players: Container[int]) -> None:
    """Raises a RequestError if the trick has parameters that neither player's optimizer trains. `of_players` are the
    ids of those that belong to a network."""
    parameters = [parameter for parameter, value in trick.named_parameters()
                  if value.requires_grad and id(value) not in of_players]
    if parameters and trick.trained_with not in PLAYERS:
        raise RequestError(
            f"trick={name} has parameters that no player trains, e.g. {parameters[0]} ({type(trick).__name__}."
            f"trained_with={trick.trained_with!r}): add trained_with = \"generator\" or \"discriminator\" to the body "
            "of its class, or call requires_grad_(False) on them")
