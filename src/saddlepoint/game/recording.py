"""Updates that are recorded once and played again, so that the host asks a GPU for a whole update by one call.

What a step does is decided before it begins: who moves (turns.Plan), which form each trick has (Trick.variant), the
shapes of the batch. Steps for which all this is the same do the same operations in the same memory. The first of them
is played as it is. The second is rehearsed: played by the same code, which is watched meanwhile for what a recording
would get wrong. The third is recorded, update by update, and from then on the recording is played.

Before an update is played again the host seeds its random generators and sets the numbers that change over training,
which are tensors then, so it draws and computes what the code would, to the bit. Afterwards terms and logits are
copied, as the next step writes into the same memory.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from saddlepoint.game.random_streams import RandomStreams, seed_of
from saddlepoint.game.rehearsal import Watch, Watched, states_of, unplayed_states

if TYPE_CHECKING:
    from saddlepoint.game.adversarial import AdversarialModule
    from saddlepoint.game.trick import Trick

Batch = tuple[Tensor, ...]
Work = Callable[..., Any]
EXPLAINED = "docs/gpu.md says what a recorded step needs"


class Device(Protocol):
    """A device that can record what it is asked to compute."""

    def working(self) -> AbstractContextManager[None]:
        """Returns a context for all of a step, whether it is recorded or not."""

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        """Does the work once, and returns a function that does it again by what was recorded: the same operations in
        the same memory. All random numbers come from these generators and from torch's global one."""


class Eager:
    """Plays every step by its code."""

    tape: "Tape | None" = None  # of the present update, if it is rehearsed or recorded

    @contextmanager
    def step(self, module: "AdversarialModule", batch: Batch) -> Iterator[Batch]:
        """Is around a step; yields the batch that it is played with."""
        yield batch

    def turn(self, module: "AdversarialModule", player: str, work: Work, batch: Batch, *more: Any) -> Any:
        """Makes an update of a player, or of both: calls `work(batch, random, *more)` and returns its result."""
        return work(batch, random_of(module, player), *more)


@dataclass
class Tape:
    """What a recorded update needs beside memory: its random generators and the numbers that change over training.

    A rehearsal fills it. When the update is recorded or played, `prepare` sets all of them before.
    """

    module: "AdversarialModule"
    player: str
    images_seen: int
    variants: dict[int, Hashable]  # of the tricks, by id
    is_rehearsal: bool = True
    drawn: list[tuple[str, str, int]] = field(default_factory=list)  # name, player, step before or after the present
    values: list[tuple[Callable[[int], float], Tensor]] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)  # which the tensors of `values` have now
    asked: int = 0  # numbers of the present update

    def value(self, of: Callable[[int], float]) -> Tensor:
        if self.is_rehearsal:
            self.numbers.append(of(self.images_seen))
            self.values.append((of, torch.full((), self.numbers[-1], dtype=torch.float32,
                                              device=self.module.device)))
        self.asked += 1
        return self.values[self.asked - 1][1]

    def variant(self, trick: "Trick") -> Hashable:
        return self.variants[id(trick)]

    def prepare(self, images_seen: int) -> None:
        """Seeds all generators and sets all numbers for an update after so many images seen."""
        module, self.is_rehearsal, self.asked = self.module, False, 0
        for name, player, ahead in self.drawn:
            module.generators[name].manual_seed(seed_of(module.seed, module.steps_taken(player) + ahead, name))
        for index, (of, tensor) in enumerate(self.values):
            if (number := of(images_seen)) != self.numbers[index]:
                tensor.fill_(number)
                self.numbers[index] = number


@dataclass
class Recording:
    """An update that can be played again."""

    tape: Tape
    play: Callable[[], None]
    result: Any  # of the work
    updates: int  # two if both players move
    latest: dict[str, Tensor]  # terms and logits, in memory of the recording
    norms: dict[str, Tensor]  # of the gradients of each player that moves [P], likewise

    def hand_out(self, module: "AdversarialModule") -> None:
        """Gives the game copies of what it remembers of an update."""
        kept = [*self.latest.values(), *self.norms.values()]
        copies = [torch.empty_like(each) for each in kept]
        torch._foreach_copy_(copies, kept)
        module.hold(dict(zip(self.latest, copies, strict=False)))
        module.guard.norms |= dict(zip(self.norms, copies[len(self.latest):], strict=True))


@dataclass
class Kind:
    """All steps that do the same operations."""

    batch: Batch | None = None  # in memory of the recording
    tapes: list[Tape] = field(default_factory=list)  # of the updates, from the rehearsal
    recordings: list[Recording] = field(default_factory=list)
    count: int = 0  # of those that were played so far
    is_refused: bool = False


class Recorder(Eager):
    """Plays a step by its recording, once there is one.

    device: records
    say: is told what cannot be recorded and why, once for each reason
    """

    def __init__(self, device: Device, say: Callable[[str], None]):
        self.device, self.say = device, say
        self.kinds: dict[Hashable, Kind] = {}
        self.kind: Kind | None = None  # of the present step; None: it is played by its code
        self.turns = 0  # that the present step has begun
        self.said: set[str] = set()

    @contextmanager
    def step(self, module: "AdversarialModule", batch: Batch) -> Iterator[Batch]:
        self.turns, self.kind = 0, None
        with self.device.working():
            if module.guard.can_be_recorded:
                self.variants = {id(trick): trick.variant(module.images_seen, module.batch_size_of(batch))
                                 for trick in module.tricks.values()}
                self.kind = self.kinds.setdefault(self.key(module, batch), Kind())
                batch = self.begin(batch)
            yield batch
            if self.kind:
                self.kind.count += 1

    def key(self, module: "AdversarialModule", batch: Batch) -> Hashable:
        """Returns what decides which operations a step does."""
        shapes = tuple((part.shape, part.dtype, part.stride()) for part in batch)
        return type(batch), shapes, module.plan, module.variant(), tuple(self.variants.values())

    def begin(self, batch: Batch) -> Batch:
        """Returns the batch to play with: from the third step of a kind on, a copy in memory of the recording."""
        kind = self.kind
        if kind.count == 0 or kind.is_refused:
            self.kind.count += not kind.is_refused
            self.kind = None
        elif kind.count > 1:
            if kind.batch is None:
                kind.batch = type(batch)(*(torch.empty_like(part) for part in batch))
            for kept, part in zip(kind.batch, batch, strict=True):
                kept.copy_(part, non_blocking=True)
            return kind.batch
        return batch

    def turn(self, module: "AdversarialModule", player: str, work: Work, batch: Batch, *more: Any) -> Any:
        if not self.kind:
            return super().turn(module, player, work, batch, *more)
        index, self.turns = self.turns, self.turns + 1
        if self.kind.count == 1:
            return self.rehearse(module, player, work, batch, *more)
        if index == len(self.kind.recordings):
            return self.record(module, self.kind.tapes[index], work, batch, *more)
        recording = self.kind.recordings[index]
        random_of(module, player)  # seeds layers that draw for themselves
        recording.tape.prepare(module.images_seen)
        recording.play()
        module.guard.index += recording.updates
        recording.hand_out(module)
        return recording.result

    def rehearse(self, module: "AdversarialModule", player: str, work: Work, batch: Batch, *more: Any) -> Any:
        """Plays an update by its code and refuses to record steps of this kind if a recording would be another one."""
        obstacles: list[str] = []
        tape = Tape(module, player, module.images_seen, self.variants)
        before = states_of(module)
        with self.taping(module, tape, obstacles), Watch(module.device, obstacles):
            result = work(batch, random_of(module, player, tape.drawn), *more)
        tape.drawn = [(name, drawer, step - module.steps_taken(drawer)) for name, drawer, step in tape.drawn]
        self.kind.tapes.append(tape)
        obstacles += unplayed_states(module, tape, before)
        for obstacle in obstacles:
            self.kind.is_refused = True
            if obstacle not in self.said:
                self.said.add(obstacle)
                self.say(f"note: some steps are played without a recording (trainer.record=true): an update of the "
                         f"{player} {obstacle}. {EXPLAINED}")
        return result

    def record(self, module: "AdversarialModule", tape: Tape, work: Work, batch: Batch, *more: Any) -> Any:
        """Makes an update and records it."""
        random = random_of(module, tape.player, is_seeded=True)
        tape.images_seen = module.images_seen
        tape.prepare(module.images_seen)
        remembered, index, results, norms = module.latest, module.guard.index, [], {}
        module.latest = {}

        def do() -> None:
            results.append(work(batch, random, *more))
            norms.update({player: torch.stack([*of_player]) for player, of_player in module.guard.norms.items()
                          if of_player is not before.get(player)})

        before = dict(module.guard.norms)
        with self.taping(module, tape, []):
            play = self.device.record(do, [module.generators[name] for name in {name for name, *_ in tape.drawn}])
        recording = Recording(tape, play, results[0], module.guard.index - index, module.latest, norms)
        module.latest = remembered
        recording.hand_out(module)
        self.kind.recordings.append(recording)
        return results[0]

    @contextmanager
    def taping(self, module: "AdversarialModule", tape: Tape, obstacles: list[str]) -> Iterator[None]:
        """Lets the code of an update ask the tape for what changes, and notes where it computes with images_seen."""
        images_seen, self.tape = module.images_seen, tape
        module.images_seen = Watched(images_seen, obstacles)
        try:
            yield
        finally:
            module.images_seen, self.tape = images_seen, None


def random_of(module: "AdversarialModule", player: str, drawn: list | None = None, is_seeded: bool = False,
              ) -> RandomStreams:
    """Returns the random numbers of the next update of a player; those of D if both move at once."""
    return module.random_streams(player if player != "both" else "discriminator", drawn, is_seeded)
