"""The random numbers of training, each a function of (seed, step, purpose, place in the global batch).

No global generator is used, so nothing depends on how often samples were drawn, on how many workers load the data
or on how many processes share the batch.
"""

import functools
import hashlib

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


@functools.cache
def _key(seed: int, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{purpose}".encode()).digest()[:4], "little")


def _scramble(word: int) -> int:
    """Maps 32-bit words one to one (the finaliser of MurmurHash3), so neighbouring steps get unrelated, distinct seeds.

    32 bits, because torch's CPU generator uses no more of a seed.
    """
    word ^= word >> 16
    word = word * 0x85EBCA6B & _MASK
    word ^= word >> 13
    word = word * 0xC2B2AE35 & _MASK
    return word ^ word >> 16


def seed_of(seed: int, step: int, purpose: str) -> int:
    """Returns the 32-bit seed for a purpose at a step; two steps of one purpose never share a seed."""
    return _scramble((step ^ _key(seed, purpose)) & _MASK)


class RandomStreams:
    """The random numbers of one update of one player.

    The n-th draw for a purpose is a function of (seed, step, player, purpose, n). Each process draws for the whole
    global batch and keeps its own rows: `shape[0]` is the number of rows of one process, and row i of process r is row
    r * shape[0] + i of the global draw.

    seed: of the run, 0 or more
    step: number of the update, from 0
    device: where the numbers are drawn
    rank, num_processes: which process this is, from 0, and how many there are
    player: `generator` or `discriminator`; each has random numbers of its own
    generators: of earlier updates on the device, to be used again, as a new one is memory on a GPU; by name
    drawn: notes each draw as (name, player, step), if there is such a list
    is_seeded: whether all generators have their seeds already, as a GPU cannot set any while it records
    """

    def __init__(self, seed: int, step: int, device: torch.device | str = "cpu", rank: int = 0, num_processes: int = 1,
                 player: str = "", generators: dict[str, torch.Generator] | None = None,
                 drawn: list[tuple[str, str, int]] | None = None, is_seeded: bool = False):
        self.seed, self.step, self.device, self.player = seed, step, torch.device(device), player
        self.rank, self.num_processes = rank, num_processes
        self.generators = {} if generators is None else generators
        self.drawn, self.is_seeded = drawn, is_seeded
        self._draws: dict[str, int] = {}

    def of_player(self, player: str, step: int) -> "RandomStreams":
        """Returns the random numbers of another update of a player, from their beginning."""
        return RandomStreams(self.seed, step, self.device, self.rank, self.num_processes, player, self.generators,
                             self.drawn, self.is_seeded)

    def generator(self, purpose: str) -> torch.Generator:
        """Returns the generator of the next draw for a purpose, the same on every process; to be used at once."""
        nth = self._draws[purpose] = self._draws.get(purpose, -1) + 1
        name = f"{self.player}/{purpose}/{nth}"
        if name not in self.generators:
            self.generators[name] = torch.Generator(self.device)
        if self.drawn is not None:
            self.drawn.append((name, self.player, self.step))
        if self.is_seeded:
            return self.generators[name]
        return self.generators[name].manual_seed(seed_of(self.seed, self.step, name))

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Returns float32 numbers of `shape` from N(0, 1)."""
        whole = torch.empty(self._global_shape(shape), device=self.device)
        return self._own_rows(whole.normal_(generator=self.generator(purpose)))

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Returns float32 numbers of `shape`, uniform on [0, 1)."""
        whole = torch.rand(self._global_shape(shape), device=self.device, generator=self.generator(purpose))
        return self._own_rows(whole)

    def integers(self, purpose: str, high: int, shape: tuple[int, ...]) -> Tensor:
        """Returns int64 numbers of `shape`, uniform on 0 .. high - 1."""
        whole = torch.randint(high, self._global_shape(shape), device=self.device, generator=self.generator(purpose))
        return self._own_rows(whole)

    def seed_networks(self) -> None:
        """Seeds torch's global generator for this update, as layers that draw for themselves (dropout) use it.

        Each process gets another seed, because such a layer draws for the rows of its own process only.
        """
        seed = seed_of(self.seed, self.step, f"{self.player}/networks/{self.rank}")
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def _global_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0] * self.num_processes, *shape[1:])

    def _own_rows(self, whole: Tensor) -> Tensor:
        return whole.chunk(self.num_processes)[self.rank] if self.num_processes > 1 else whole
