"""The checks of gpu.py that measure speed and memory; none of them has a verdict."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import ClassVar

import torch
from _gpu_cases import Case, Machine, Outcome, numerics
from _hand_written import HandWritten
from torch import Tensor, nn
from torch.nn import functional as F
from training import ours

from saddlepoint import build
from saddlepoint.networks.rrdb import RRDBNet
from saddlepoint.upscaling.precision import FLOAT32, Precision
from saddlepoint.upscaling.tiling import TiledUpscaler, prepare_for_inference
from tests.composing import settings

BATCH = 64
MODELS = {
    "dcgan width 64": ("model=dcgan", "data=mnist5k", f"data.batch_size={BATCH}"),
    "resnet width 128": ("model=resnet", "data=mnist5k", f"data.batch_size={BATCH}"),
}
COMPILED = "dcgan width 64"  # compiling takes a minute or two, so one model must do
BARE = ("callbacks=none", "logger=none")
RUNS = {"without callbacks": BARE, "with default callbacks": (), "with trainer.tf32=true": (*BARE, "trainer.tf32=true"),
        "in bf16-mixed": (*BARE, "precision=bf16-mixed")}


class OnDevice(HandWritten):
    """Plays the hand-written game where its networks are."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, batch_size: int, latent_dim: int):
        super().__init__(generator, discriminator, batch_size, latent_dim)
        self.device = next(generator.parameters()).device
        self.labels = self.labels.to(self.device)

    def noise(self) -> Tensor:
        return torch.randn(self.batch_size, self.latent_dim, device=self.device)


class Recordable(OnDevice):
    """The same, with an Adam that may be part of a CUDA graph."""

    adam: ClassVar[dict] = {"fused": True, "capturable": True}


class BatchesOnDevice:
    """Gathers batches [N, 1, 32, 32] from 5,000 random images that are in the device's memory."""

    def __init__(self, device: torch.device, count: int = 5000):
        self.images = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, device=device)
        self.order, self.first = torch.randperm(count, device=device), 0

    def __call__(self) -> Tensor:
        self.first = (self.first + BATCH) % (len(self.order) - BATCH)
        chosen = self.images.index_select(0, self.order[self.first:self.first + BATCH])
        return F.pad(chosen, [2] * 4).float().div_(127.5).sub_(1)


def speed(machine: Machine) -> Iterator[Case]:
    """Measures images per second of train.py's path beside loops written by hand: eager, compiled and recorded.

    The loop by hand has the same networks and its images on the GPU. Where train.py's path is much slower than the
    eager loop, the loop around the step costs too much; where the recorded loop is much quicker than the eager one, the
    GPU waits for the host, and compiling or recording the step is worth its trouble.
    """
    for model, overrides in list(MODELS.items())[:1 if machine.is_dry else None]:
        for run, more in list(RUNS.items())[:1 if machine.is_dry else None]:
            yield f"{model}: train.py {run}", partial(speed_of_training, machine, (*overrides, *more))
        for tf32 in (True, False):
            precision = "with TF32" if tf32 else "in float32"
            yield f"{model}: by hand, eager, {precision}", partial(speed_by_hand, machine, overrides, tf32)
        for precision in ("TF32", "bf16"):
            for is_compiled in (False, True) if model == COMPILED else (False,):
                name = f"{model}: by hand, {'compiled and ' if is_compiled else ''}recorded, {precision}"
                yield name, partial(speed_when_recorded, machine, overrides, precision == "bf16", is_compiled)


def layout(machine: Machine) -> Iterator[Case]:
    """Measures what trainer.channels_last=auto saves in networks with InstanceNorm, and costs in none.

    auto is to be as fast as the faster of the two others; where it is not, the layout is chosen wrongly.
    """
    batch_size, small = (2, ("model.generator.num_blocks=1",)) if machine.is_dry else (16, ())
    typed = ("model=cyclegan", "data=coloured_digits", f"data.batch_size={batch_size}", *small, *BARE)
    for layout in ("auto",) if machine.is_dry else ("auto", "true", "false"):
        yield f"cyclegan, {layout}", partial(speed_of_training, machine, (*typed, f"trainer.channels_last={layout}"),
                                             batch_size, 2 if machine.is_dry else 100)


def steps_to_time(machine: Machine) -> int:
    return 5 if machine.is_dry else 400


def a_step(seconds: float, prefix: str = "", batch_size: int = BATCH) -> dict[str, float]:
    return {f"{prefix}ms a step": round(1e3 * seconds, 3), f"{prefix}images/s": round(batch_size / seconds)}


def speed_of_training(machine: Machine, overrides: Sequence[str], batch_size: int = BATCH,
                      steps: int | None = None) -> Outcome:
    steps, warm_up = steps or steps_to_time(machine), 2 if machine.is_dry else 20
    if machine.is_dry:
        return Outcome(a_step(ours([*overrides, machine.trainer], steps, warm_up) / steps, batch_size=batch_size))
    seconds = ours([*overrides, machine.trainer], steps, warm_up) / steps  # training resets the peak
    peak = torch.cuda.max_memory_allocated() / 2**30
    return Outcome(a_step(seconds, batch_size=batch_size) | {"peak GiB": round(peak, 2)})


def loop_by_hand(machine: Machine, overrides: Sequence[str], kind: type[OnDevice] = OnDevice) -> OnDevice:
    made = settings(*overrides, *machine.quiet)
    torch.manual_seed(0)
    networks = [each.to(machine.device, memory_format=torch.channels_last) for each in build.networks(made).values()]
    return kind(*networks, BATCH, made["model"]["latents"]["size"])


def speed_by_hand(machine: Machine, overrides: Sequence[str], tf32: bool) -> Outcome:
    with numerics(tf32=tf32, benchmark=True):
        loop, batches = loop_by_hand(machine, overrides), BatchesOnDevice(machine.device)
        steps, warm_up = steps_to_time(machine), 2 if machine.is_dry else 10
        return Outcome(a_step(machine.seconds_a_call(lambda: loop.step(batches()), steps, warm_up)))


def speed_when_recorded(machine: Machine, overrides: Sequence[str], in_bf16: bool, is_compiled: bool) -> Outcome:
    """Times a step on one batch as it is, and then replayed as a CUDA graph on new batches."""
    machine.require_gpu()
    with numerics(benchmark=True):
        loop, batches = loop_by_hand(machine, overrides, Recordable), BatchesOnDevice(machine.device)
        if is_compiled:
            loop.generator, loop.discriminator = torch.compile(loop.generator), torch.compile(loop.discriminator)
        batch = batches().clone()

        def play() -> None:
            # A recorded step must not find weights that were cast before: it would cast them no more.
            with torch.autocast("cuda", torch.bfloat16, cache_enabled=False) if in_bf16 else nullcontext():
                loop.step(batch)

        def replay() -> None:
            batch.copy_(batches())
            graph.replay()

        started = time.perf_counter()
        play_aside(play, times=11)
        eager = machine.seconds_a_call(play, steps_to_time(machine), warm_up=10)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            play()
        recorded = machine.seconds_a_call(replay, steps_to_time(machine), warm_up=10)
        whole = time.perf_counter() - started
    return Outcome(a_step(recorded) | a_step(eager, "not recorded, ") | {"seconds in all": round(whole, 1)})


def play_aside(play: Callable[[], None], times: int) -> None:
    """Plays on a stream of its own, as torch asks for before a graph is recorded."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(times):
            play()
    torch.cuda.current_stream().wait_stream(stream)


HALF, BRAIN = (Precision(each, each) for each in (torch.float16, torch.bfloat16))
WAYS_TO_UPSCALE = {  # pixels of a tile's side, precision
    "precision=32 tile=256 (of a CPU)": (256, FLOAT32),
    "precision=32 tile=1024": (1024, FLOAT32),
    "precision=16 tile=1024": (1024, HALF),
    "precision=bf16 tile=1024": (1024, BRAIN),
}


def upscale(machine: Machine) -> Iterator[Case]:
    """Measures the seconds in which RRDBNet enlarges 512x512 pixels, and how far each way is from the default's pixels.

    The weights are random. Tiles of another size may change a pixel by one grey level; more means that tiles overlap
    too little. With half precision the difference says what its speed costs.
    """
    torch.manual_seed(0)
    network = RRDBNet(num_blocks=1 if machine.is_dry else 23).to(machine.device)
    side = 64 if machine.is_dry else 512
    low = torch.randint(0, 256, (3, side, side), dtype=torch.uint8)
    done: list[Tensor] = []
    for name, (tile, precision) in WAYS_TO_UPSCALE.items():
        if not (machine.is_dry and precision == HALF):
            yield name, partial(enlarged, machine, network, low, tile, precision, done)


def enlarged(machine: Machine, network: nn.Module, low: Tensor, tile: int, precision: Precision,
             done: list[Tensor]) -> Outcome:
    """`done` holds the images that were enlarged before, the default's first; this one joins them."""
    upscaler = TiledUpscaler(prepare_for_inference(copy.deepcopy(network)), tile, precision=precision)
    seconds = machine.seconds_a_call(lambda: done.append(upscaler(low)), calls=1, warm_up=1)
    difference = (done[-1].int() - done[0].int()).abs().max()
    return Outcome({"seconds an image": round(seconds, 3), "largest difference in grey levels": int(difference)})


CHECKS = {"speed": speed, "layout": layout, "upscale": upscale}
