"""Every random number of training: a function of (seed, step, purpose, place in the global batch).

No global generator takes part, so nothing depends on how often samples were drawn, on how many workers load the data
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
    """A bijection of 32-bit words (the finaliser of MurmurHash3): neighbouring steps get unrelated seeds, no two the
    same. 32 bits because that is what torch's CPU generator keeps of a seed."""
    word ^= word >> 16
    word = word * 0x85EBCA6B & _MASK
    word ^= word >> 13
    word = word * 0xC2B2AE35 & _MASK
    return word ^ word >> 16


def seed_of(seed: int, step: int, purpose: str) -> int:
    return _scramble((step ^ _key(seed, purpose)) & _MASK)


class RandomStreams:
    """The random numbers of one update of one player.

    The n-th draw for a purpose is a function of (seed, step, player, purpose, n). Each process draws for the whole
    global batch and keeps its own rows: `shape[0]` is the length of this process's share, and row i of process r is row
    r * shape[0] + i of the global draw.
    """

    def __init__(self, seed: int, step: int, device: torch.device | str = "cpu", rank: int = 0, num_processes: int = 1,
                 player: str = ""):
        self.seed, self.step, self.device, self.player = seed, step, torch.device(device), player
        self.rank, self.num_processes = rank, num_processes
        self._drawn: dict[str, int] = {}

    def generator(self, purpose: str) -> torch.Generator:
        """A fresh generator for the next draw of this purpose, the same on every process."""
        nth = self._drawn[purpose] = self._drawn.get(purpose, -1) + 1
        return torch.Generator(self.device).manual_seed(seed_of(self.seed, self.step, f"{self.player}/{purpose}/{nth}"))

    def normal(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """N(0, 1)"""
        whole = torch.empty(self._global(shape), device=self.device)
        return self._share(whole.normal_(generator=self.generator(purpose)))

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """U[0, 1)"""
        return self._share(torch.rand(self._global(shape), device=self.device, generator=self.generator(purpose)))

    def integers(self, purpose: str, high: int, shape: tuple[int, ...]) -> Tensor:
        """uniform on 0 .. high - 1, int64"""
        whole = torch.randint(high, self._global(shape), device=self.device, generator=self.generator(purpose))
        return self._share(whole)

    def seed_networks(self) -> None:
        """Layers that draw for themselves (dropout) use torch's global generator: give it a seed of this update's own.

        Each process gets another one, since a layer draws for its own share only.
        """
        seed = seed_of(self.seed, self.step, f"{self.player}/networks/{self.rank}")
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def _global(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0] * self.num_processes, *shape[1:])

    def _share(self, whole: Tensor) -> Tensor:
        return whole.chunk(self.num_processes)[self.rank] if self.num_processes > 1 else whole
