"""Drawing from a trained generator. N images of C channels and H x W pixels, in [-1, 1]."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from saddlepoint import checkpoint
from saddlepoint.errors import RequestError
from saddlepoint.modules.latents import Latents

if TYPE_CHECKING:
    from saddlepoint.modules.synthesis import SynthesisModule

BLOCK = 16  # images computed at once, whatever is asked for: results then do not depend on how many are


class SamplingGenerator(nn.Module):
    """A run's generator in evaluation mode (EMA weights when the run kept them), with the latents it was trained on.

    Call it on latents [N, size] and labels [N] as any generator, or let `sample` draw.
    """

    def __init__(self, generator: nn.Module, latents: Latents):
        super().__init__()
        self.generator, self.latents = generator.requires_grad_(False), latents
        self.eval()

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """latents [N, size], labels [N] -> images [N, C, H, W] in [-1, 1]"""
        if labels is None:
            labels = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        return self.generator(latents, labels)

    @torch.no_grad()
    def sample(self, count: int, seed: int = 0, first: int = 0) -> Tensor:
        """Images first .. first + count - 1 of a seed -> [count, C, H, W] on the CPU.

        Each image has latents of its own and is computed in a block of fixed size at a fixed place: bit for bit the
        same picture however many are drawn.
        """
        start = first // BLOCK * BLOCK
        blocks = [self._block(seed, at) for at in range(start, first + count, BLOCK)]
        return torch.cat(blocks)[first - start:first - start + count]

    def _block(self, seed: int, at: int) -> Tensor:
        return self.of_latents(self.latents.of_images(seed, at, BLOCK))

    @torch.no_grad()
    def of_latents(self, latents: Tensor) -> Tensor:
        """latents [N, size] -> images [N, C, H, W] on the CPU, a block at a time"""
        device = next(self.generator.parameters()).device
        padded = torch.cat([latents, latents[-1:].expand(-len(latents) % BLOCK, -1)])
        return torch.cat([self(block.to(device)).cpu() for block in padded.split(BLOCK)])[:len(latents)]


def load_generator(run: str | Path) -> SamplingGenerator:
    """The sampling generator of a run, ready to call: `run` is a run directory or a checkpoint file.

    Rebuilt from the checkpoint alone; nothing in it is executed.
    """
    module, _ = load_module(checkpoint_of(Path(run).expanduser()))
    return SamplingGenerator(module.sampling_generator, module.latents)


def load_module(path: Path) -> "tuple[SynthesisModule, dict[str, Any]]":
    """-> the game as a checkpoint file has it, and what else is in the file"""
    from saddlepoint import build  # Hydra and Lightning only when a network has to be rebuilt

    saved = checkpoint.load(path)
    try:
        module = build.module(saved["settings"])
        module.load_state_dict(saved["module"])
    except (KeyError, RuntimeError) as error:
        raise RequestError(f"{path} does not fit this version of saddlepoint: {error}") from error
    return module, saved


def checkpoint_of(run: Path) -> Path:
    if run.is_dir():
        last = run / "checkpoints" / "last.ckpt"
        if not last.is_file():
            raise RequestError(f"run={run} has no checkpoint (checkpoints/last.ckpt): name a run that wrote one")
        return last
    if not run.exists():
        raise RequestError(f"run={run} does not exist: name a run directory, e.g. runs/dcgan_small_mnist5k/..., "
                           "or a checkpoint file")
    return run
