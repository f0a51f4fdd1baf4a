"""Prints the lines about a run at its beginning and end, and writes its results beside checkpoints and curves."""

import resource
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only
from safetensors.torch import save

from saddlepoint.config import spelling
from saddlepoint.config.spelling import word
from saddlepoint.data.images import ImageDataModule
from saddlepoint.errors import Stopped
from saddlepoint.files.atomic import write_atomically
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.recording import Recorder
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.translation import TranslationModule
from saddlepoint.networks.basicsr_layout import untold
from saddlepoint.parallel.collectives import is_alone, largest
from saddlepoint.runs.directory import RunDirectory
from saddlepoint.training import compiling
from saddlepoint.training.callbacks.stopping import StopOnSignal, exit_code_of


@rank_zero_only
def announce(settings: Mapping[str, Any], module: AdversarialModule, data: ImageDataModule, run: RunDirectory) -> None:
    """Prints what is about to be trained, on what, and where the results will be."""
    choices, trick = settings["choices"], ", ".join(settings["trick"]) or "none"
    sizes = " and ".join(f"{name} {count:,}" for name, count in parameters(module).items())
    device = module.provenance["device"]
    rounds = device["type"] == "cuda" and not device["deterministic"]
    unread = isinstance(module, SynthesisModule) and data.num_classes and not module.draws_labels
    print(f"model {choices['model']}, data {choices['data']}, loss {choices['loss']}, tricks {trick}",
          *data.describe(), *(["classes: not used, as neither network is conditional"] if unread else []),
          *(["resuming: exact to rounding on a GPU; trainer.deterministic=true makes it exact"] if rounds else []),
          *(compiling.description(module) if settings["trainer"]["compile"] else []),
          *(["steps: recorded as CUDA graphs (trainer.record=true)"] if isinstance(module.recorder, Recorder) else []),
          f"parameters: {sizes}", f"run directory: {run.path}", sep="\n")


def conclude(run: RunDirectory, module: AdversarialModule, stop: StopOnSignal) -> None:
    """Marks the run as completed and prints where its results are. Raises Stopped if a signal ended it early."""
    if stop.received:
        raise Stopped(f"Stopped by {stop.received.name} after {module.images_seen:,} images; {run.last} holds the run. "
                      f"To go on, type {spelling.command('train', f'resume={run.path}')}", stop.exit_code)
    run.write_status("completed", "", module.images_seen)
    rank_zero_only(print)(
        f"Done: {module.images_seen:,} images.\n"
        f"  samples:     {run.samples}\n"
        f"  curves:      {run.path / 'metrics.csv'} (tensorboard --logdir {word(str(run.path.parent))} shows them)\n"
        f"  checkpoint:  {run.last}\n"
        f"  {next_command(module, run)}")


def stopped_at_once(run: RunDirectory, received: signal.Signals) -> Stopped:
    """Returns the end of a run that a signal ended outside a whole step, so that there was nothing to save."""
    end = (f"{run.last} holds the run as it was last saved. To go on, type "
           f"{spelling.command('train', f'resume={run.path}')}" if run.last.exists() else
           "there is no checkpoint of the run yet")
    stopped = Stopped(f"Stopped by {received.name} at once; {end}", exit_code_of(received))
    stopped.of_all = stopped.agreed = is_alone()
    return stopped


def next_command(module: AdversarialModule, run: RunDirectory) -> str:
    """Returns the command that makes use of the generator."""
    if "latents" in module.provenance["settings"]["model"]:
        return f"draw more:   {spelling.command('sample', f'run={run.path}')}"
    if isinstance(module, TranslationModule):
        return f"translate:   {spelling.command('translate', f'run={run.path}', 'input=IMAGES')}"
    return f"enlarge:     {spelling.command('upscale', f'weights={run.path}', 'input=IMAGES')}"


@rank_zero_only
def export(module: AdversarialModule, run: RunDirectory) -> None:
    """Writes <network>.safetensors for each network of the generator's player, with its weights alone, for other
    programs. generator.safetensors is the one that draws. What the weights of an upscaling network do not tell of it is
    in the metadata."""
    for name, network in module.sampling_networks.items():
        content = save({key: tensor.contiguous() for key, tensor in network.state_dict().items()},
                       untold(network) or None)
        write_atomically(run.path / f"{name}.safetensors", partial(_write, content))


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def parameters(module: AdversarialModule) -> dict[str, int]:
    """Returns the number of trained parameters of each network."""
    return {name: sum(p.numel() for p in network.parameters() if p.requires_grad)
            for name, network in module.networks.items()}


def reset_peak_memory(device: torch.device) -> None:
    """Lets the peak memory of a GPU begin anew, so that it is this run's and not that of one before in this process."""
    if device.type == "cuda" and torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats(device)


def cost(module: AdversarialModule, seconds: float, processor_seconds: float | None,
         device: torch.device) -> dict[str, Any]:
    """Returns the cost of a run that trained for `seconds` on a device, and for `processor_seconds` on the cores of the
    first process, for metrics.json. All processes must call it.

    Memory is the largest of a process's peaks since this process began: the host's in the first process, on Linux, and
    that of tensors on the GPU in any; None where there is no GPU."""
    on_device = largest(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
    return {
        "seconds": seconds,
        "processor_seconds": processor_seconds,
        "images_per_second": module.images_seen / seconds,
        "parameters": parameters(module),
        "peak_host_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peak_device_memory_bytes": on_device,
    }
