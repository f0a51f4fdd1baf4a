"""What a run says of itself, and what stays of it beside checkpoints and curves."""

import resource
from collections.abc import Mapping
from typing import Any

from pytorch_lightning.utilities import rank_zero_only
from safetensors.torch import save

from saddlepoint.config import spelling
from saddlepoint.config.spelling import word
from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import Stopped
from saddlepoint.files.atomic import write_atomically
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training.callbacks.stopping import StopOnSignal


@rank_zero_only
def announce(settings: Mapping[str, Any], module: AdversarialModule, data: ImageDataModule, run: RunDirectory) -> None:
    chosen, trick = settings["choices"], ", ".join(settings["trick"]) or "none"
    sizes = " and ".join(f"{name} {count:,}" for name, count in parameters(module).items())
    print(f"model {chosen['model']}, data {chosen['data']}, loss {chosen['loss']}, tricks {trick}",
          *data.described(), f"parameters: {sizes}", f"run directory: {run.path}", sep="\n")


def conclude(run: RunDirectory, module: AdversarialModule, stop: StopOnSignal) -> None:
    if stop.received:
        raise Stopped(f"Stopped by {stop.received.name} after {module.images_seen:,} images; {run.last} holds the run",
                      stop.exit_code)
    run.write_status("completed", "", module.images_seen)
    rank_zero_only(print)(
        f"Done: {module.images_seen:,} images.\n"
        f"  samples:     {run.samples}\n"
        f"  curves:      {run.path / 'metrics.csv'} (tensorboard --logdir {word(str(run.path.parent))} shows them)\n"
        f"  checkpoint:  {run.last}\n"
        f"  {use_of(module, run)}")


def use_of(module: AdversarialModule, run: RunDirectory) -> str:
    if "latents" in module.provenance["settings"]["model"]:
        return f"draw more:   {spelling.command('sample', f'run={run.path}')}"
    return f"enlarge:     {spelling.command('upscale', f'weights={run.path}', 'input=IMAGES')}"


@rank_zero_only
def export(module: AdversarialModule, run: RunDirectory) -> None:
    """generator.safetensors: the sampling generator's weights alone, for other programs."""
    weights = {name: tensor.contiguous() for name, tensor in module.sampling_generator.state_dict().items()}
    write_atomically(run.path / "generator.safetensors", lambda temporary: temporary.write_bytes(save(weights)))


def parameters(module: AdversarialModule) -> dict[str, int]:
    networks = {"generator": module.generator, "discriminator": module.discriminator}
    return {name: sum(p.numel() for p in network.parameters() if p.requires_grad) for name, network in networks.items()}


def cost(module: AdversarialModule, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "images_per_second": module.images_seen / seconds,
        "parameters": parameters(module),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,  # of this process, on Linux
    }
