"""The two players of a game: their networks, optimizers, tricks, random numbers, counters and what is saved of them."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from saddlepoint.config.rules import set_by
from saddlepoint.game.accuracy import newest_accuracy
from saddlepoint.game.freezing import frozen_in
from saddlepoint.game.guard import Guard
from saddlepoint.game.networks import PLAYERS, networks_of
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recording import Eager
from saddlepoint.game.step import DiscriminatorStep, Update
from saddlepoint.game.trick import Trick
from saddlepoint.game.trick_stack import TrickStack
from saddlepoint.game.visits import Visit

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
        self.guard, self.recorder = Guard(), Eager()
        self.generators: dict[str, torch.Generator] = {}  # of random_streams
        # For callbacks: detached terms and logits of the newest step, and with those that only an earlier one computed.
        self.newest: dict[str, Tensor] = {}
        self.latest: dict[str, Tensor] = {}
        self.after_each_step: list[Callable[[Players], None]] = []  # must not read from the device
        self.tricks.join(self)

    frozen_layers = 0  # first layers of D's networks that stay as they are (freezing.py)

    def train(self, mode: bool = True) -> "Players":
        """Sets the mode of all layers but the frozen ones, which stay in evaluation mode."""
        super().train(mode)
        for layer in frozen_in(self):
            layer.eval()
        return self

    def remember(self, kind: str, tensors: Mapping[str, Tensor]) -> None:
        self.hold({f"{kind}/{name}": tensor.detach() for name, tensor in tensors.items()})

    def hold(self, tensors: Mapping[str, Tensor]) -> None:
        self.newest |= tensors
        self.latest |= tensors

    def remember_logits(self, steps: Iterable[DiscriminatorStep]) -> None:
        for step in steps:
            self.remember("logits", {step.named(side.name): side.logits for side in step.sides})

    def training_step(self, batch: tuple[Tensor, ...] | Visit, batch_index: int) -> None:
        """Makes a step of the game on a batch, or the steps of a visit."""
        if isinstance(batch, Visit):
            batch.play(self, batch_index)
            return
        self.guard.begin(self, batch)
        self.images_before, self.newest = self.images_seen, {}
        self.players_optimizers.apply_schedule(self.optimizers(), self.images_seen)
        self.play(batch)
        self.images_seen += self.batch_size_of(batch)
        self.guard.end()
        for act in self.after_each_step:
            act(self)

    def play(self, batch: tuple[Tensor, ...]) -> None:
        """Lets the players move."""

    def accuracy(self) -> float | None:
        """Returns D's accuracy, 0 to 1, on the batch that it scored last, or None; waits for the device."""
        return newest_accuracy(self.latest, self.loss.boundary)

    def variant(self) -> Hashable:
        """Returns what decides between the operations of a task's methods, beside turns and tricks (recording.py)."""

    def take_turn(self, player: str, update: Callable[..., Any], *given: Any) -> Any:
        """Makes an update, by its code or by a recording of it, and returns what it returns."""
        result = self.recorder.turn(self, player, update, *given)
        for each in PLAYERS if player == "both" else (player,):
            self.count_step(each)
        return result

    def batch_size_of(self, batch: tuple[Tensor, ...]) -> int:
        """Returns the number of real images in a batch, over all processes."""
        return len(batch.real) * self.trainer.world_size

    def update_on(self, batch: tuple[Tensor, ...], random: RandomStreams) -> Update:
        """Returns what tricks are told of the present update."""
        return Update(self.images_seen, len(batch.real) * random.num_processes, random, self.generator,
                      self.discriminator, self.guard.flag, self.recorder.tape)

    def random_streams(self, player: str, *noted: Any) -> RandomStreams:
        """Returns the random numbers of the next update of `player`, and seeds layers that draw for themselves
        (dropout)."""
        random = RandomStreams(self.seed, self.steps_taken(player), self.device, self.trainer.global_rank,
                               self.trainer.world_size, player, self.generators, *noted)
        random.seed_networks()
        return random

    def steps_taken(self, player: str) -> int:
        """Returns the number of updates that a player has made."""
        return getattr(self, f"{player}_steps_taken")

    def count_step(self, player: str) -> None:
        setattr(self, f"{player}_steps_taken", self.steps_taken(player) + 1)

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
        self.latest = {name: tensor.to(self.device) for name, tensor in self.latest.items()}  # a checkpoint's are not
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

    @contextmanager
    def drawing_from(self, average: str | None) -> Iterator[None]:
        """Lets images be drawn from an average of that name, or from `raw` weights, for a while; None: as ever."""
        before, self.tricks.drawn = self.tricks.drawn, average
        try:
            yield
        finally:
            self.tricks.drawn = before

    @property
    def has_average(self) -> bool:
        """Whether grids, metrics and files come from other weights than those that are trained."""
        return self.sampling_generator is not self.networks["generator"]

    def get_extra_state(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTERS}

    def set_extra_state(self, state: dict[str, int]) -> None:
        for name in COUNTERS:
            setattr(self, name, int(state[name]))
