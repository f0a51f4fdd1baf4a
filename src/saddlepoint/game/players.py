"""The two players of a game: their networks, optimizers, tricks, random numbers, counters and what is saved of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from saddlepoint.config.rules import set_by
from saddlepoint.game.guard import Guard
from saddlepoint.game.networks import PLAYERS, networks_of
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import DiscriminatorStep
from saddlepoint.game.trick import Trick, TrickStack

COUNTERS = ("images_seen", "discriminator_steps_taken", "generator_steps_taken")


class Players(pl.LightningModule):
    """A generator and a discriminator. Each has one network, or an nn.ModuleDict of several that one optimizer trains.

    `images_seen` counts the real images that D was shown, over all processes; schedules, callbacks and the budget are
    measured in it. `networks` has all networks by name.

    tricks: by the name typed in trick=[...], applied in this order
    seed: of all random numbers, 0 or more
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, tricks: Mapping[str, Trick],
                 optimizers: Optimizers, seed: Annotated[int, set_by("seed")] = 0):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = generator, discriminator
        self.networks = networks_of(generator, "generator") | networks_of(discriminator, "discriminator")
        self.tricks = TrickStack(tricks)
        self.tricks.build(generator, discriminator)
        self.players_optimizers, self.seed = optimizers, seed
        self.images_seen = self.discriminator_steps_taken = self.generator_steps_taken = self.budget_images = 0
        self.images_before = 0  # images_seen before the newest batch, for callbacks that act every so many images
        self.saved_optimizers: list[dict] = []  # state dicts from the checkpoint of a run that is resumed
        self.guard = Guard()
        self.generators: dict[str, torch.Generator] = {}  # of random_streams
        self.latest: dict[str, Tensor] = {}  # detached terms and logits of the newest step, for callbacks

    def remember(self, kind: str, tensors: Mapping[str, Tensor]) -> None:
        self.latest |= {f"{kind}/{name}": tensor.detach() for name, tensor in tensors.items()}

    def remember_logits(self, steps: Iterable[DiscriminatorStep]) -> None:
        for step in steps:
            self.remember("logits", {step.named(side.name): side.logits for side in step.sides})

    def random_streams(self, player: str, step: int) -> RandomStreams:
        """Returns the random numbers of one update of `player`, and seeds layers that draw for themselves (dropout)."""
        random = RandomStreams(self.seed, step, self.device, self.trainer.global_rank, self.trainer.world_size, player,
                               self.generators)
        random.seed_networks()
        return random

    def count_step(self, player: str) -> None:
        counter = f"{player}_steps_taken"
        setattr(self, counter, getattr(self, counter) + 1)

    def trained_parameters(self, player: str) -> Iterator[tuple[str, nn.Parameter]]:
        """Yields the parameters that a player's optimizer trains, with their names: of its networks and of tricks."""
        of_networks = [*self.generator.named_parameters("generator"),
                       *self.discriminator.named_parameters("discriminator")]
        networks_ids = {id(parameter) for _, parameter in of_networks}
        of_tricks = [(name, parameter) for name, parameter in self.tricks.parameters_trained_with(player)
                     if id(parameter) not in networks_ids]
        own = [(name, parameter) for name, parameter in of_networks if name.startswith(f"{player}.")]
        yield from ((name, parameter) for name, parameter in own + of_tricks if parameter.requires_grad)

    def settle(self) -> None:
        """Returns when all steps so far are known to be finite; raises if one is not. Whatever shows or saves the game
        during training must call it before."""
        self.guard.settle(self)

    def on_train_start(self) -> None:
        self.players_optimizers.listen_to(self.trainer)

    def configure_optimizers(self):
        self.parameters_of = {player: [each for _, each in self.trained_parameters(player)] for player in PLAYERS}
        return self.players_optimizers.build(self.parameters_of, self.saved_optimizers)

    @property
    def sampling_networks(self) -> dict[str, nn.Module]:
        """The generator's networks by name, or those that a trick (EMA) gives instead: for grids, metrics and files."""
        return networks_of(self.tricks.sampling_generator(self.generator), "generator")

    @property
    def sampling_generator(self) -> nn.Module:
        """The network that draws images for grids, metrics and files: the one called generator."""
        return self.sampling_networks["generator"]

    @property
    def has_average(self) -> bool:
        """Whether grids, metrics and files come from other weights than those that are trained."""
        return self.sampling_generator is not self.networks["generator"]

    def get_extra_state(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTERS}

    def set_extra_state(self, state: dict[str, int]) -> None:
        for name in COUNTERS:
            setattr(self, name, int(state[name]))
