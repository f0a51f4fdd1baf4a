"""The checks of gpu.py that measure speed and memory; none of them has a verdict."""

import copy
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from _gpu_cases import Case, Machine, Outcome, numerics
from _gpu_loops import BATCH, BatchesOnDevice, Hinge, OnDevice, Recordable, RegularisedOnDevice, WithPenalty
from PIL import Image
from torch import Tensor, nn
from training import ours

from saddlepoint import build
from saddlepoint.errors import EndOfRun
from saddlepoint.networks.rrdb import RRDBNet
from saddlepoint.upscaling.precision import FLOAT32, Precision
from saddlepoint.upscaling.tiling import TiledUpscaler, prepare_for_inference
from tests.composing import settings

DIGITS = ("data=mnist5k", f"data.batch_size={BATCH}")
BARE = ("callbacks=none", "logger=none")
ROUNDS, STEPS = 3, 150  # of each way, in turn; timed steps of each
OURS = {"train.py": (), "train.py without looking": BARE, "train.py in bf16-mixed": ("precision=bf16-mixed",),
        "train.py recorded": ("trainer.record=true",), "train.py compiled": ("trainer.compile=true",)}


class Game(NamedTuple):
    """A game that train.py plays, and a loop by hand that plays it as well."""

    overrides: tuple[str, ...]
    by_hand: type[OnDevice]
    compiled: bool  # compiling takes a minute or two, so some games must do


NO_NORM = "model.discriminator.normalization=none"
GAMES = {
    "DCGAN 32x32": Game(("model=dcgan", *DIGITS), Recordable, compiled=True),
    "R1+R2+EMA": Game(("model=dcgan", *DIGITS, NO_NORM, "loss=relativistic", "trick=[r1,r2,ema]"), RegularisedOnDevice,
                      compiled=True),
    "SNGAN": Game(("model=resnet", *DIGITS, NO_NORM, "loss=hinge", "trick=[spectral_norm]",
                   "model.turns.discriminator_steps=1"), Hinge, compiled=False),
    "WGAN-GP": Game(("model=resnet", *DIGITS, NO_NORM, "loss=wasserstein", "trick=[wgan_gp]",
                     "model.turns.discriminator_steps=1"), WithPenalty, compiled=False),
}


def speed(machine: Machine) -> Iterator[Case]:
    """Measures milliseconds a step of train.py's path beside loops written by hand: plain, recorded and compiled.

    All ways of a game are timed in turn, and medians of the rounds are shown with ratios to the two loops by hand.
    The loop by hand has the same networks and its images on the GPU. What train.py is to reach, of images per second:
    recorded, with looking and logging, 2.5 times the plain loop by hand and 0.95 of the recorded one for DCGAN, 1.5
    times the plain loop for SNGAN and WGAN-GP; compiled 1.3 times the plain loop for R1+R2+EMA.
    """
    for name in [*GAMES][:1] if machine.is_dry else GAMES:
        yield name, partial(in_turn, machine, name)
    yield "SRGAN x4", partial(enlarging_in_turn, machine)


def ways(machine: Machine, game: Game) -> dict[str, Callable[[], float]]:
    """-> functions that return the seconds of a step, by name"""
    ours = OURS if not machine.is_dry else {name: OURS[name] for name in ("train.py", "train.py without looking")}
    found: dict[str, Callable[[], float]] = {"by hand": partial(seconds_by_hand, machine, game)}
    found |= {name: partial(seconds_of_training, machine, (*game.overrides, *machine.narrow, *more))
              for name, more in ours.items()
              if game.compiled or name != "train.py compiled"}
    if not machine.is_dry:
        found["by hand, recorded"] = partial(seconds_when_recorded, machine, game)
        if game.compiled and game.by_hand is Recordable:  # torch compiles no network that is differentiated twice
            found["by hand, compiled"] = partial(seconds_by_hand, machine, game, is_compiled=True)
    return found


def in_turn(machine: Machine, name: str) -> Outcome:
    return compared(machine, ways(machine, GAMES[name]), rounds=1 if machine.is_dry else ROUNDS)


def compared(machine: Machine, ways: Mapping[str, Callable[[], float]], rounds: int) -> Outcome:
    """Times all ways in turn, beginning with another one in each round, as long as there is time for a round like the
    one before. A way that fails has its error instead."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    errors: dict[str, str] = {}
    started = time.monotonic()
    for index in range(rounds):
        if index and machine.seconds_left() < (time.monotonic() - started) / index:
            break
        names = [*ways][index % len(ways):] + [*ways][:index % len(ways)]
        for name in (each for each in names if each not in errors):
            try:
                seconds[name].append(ways[name]())
            except (RuntimeError, EndOfRun) as error:
                errors[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    medians = {name: statistics.median(each) for name, each in seconds.items() if each and name not in errors}
    measured: dict[str, Any] = {f"{name}, ms a step": round(1e3 * median, 3) for name, median in medians.items()}
    for base in ("by hand", "by hand, recorded"):
        measured |= {f"{name}, times {base}": round(medians[base] / median, 2) for name, median in medians.items()
                     if base in medians and name.startswith("train.py")}
    measured["rounds"] = max(map(len, seconds.values()))
    return Outcome(measured | {f"{name} failed": error for name, error in errors.items()})


def enlarging_in_turn(machine: Machine) -> Outcome:
    """SRGAN's game on photographs of noise, without VGG's weights."""
    folder = machine.folder / "noise"
    folder.mkdir(exist_ok=True)
    for number in range(8):
        noise = torch.randint(0, 256, (3, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))
        Image.fromarray(noise.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")
    small = (*machine.narrow, "model.generator.num_blocks=1", "data.image_size=32",
             "data.batch_size=2") if machine.is_dry else ()
    typed = ("model=srgan", "data=sr_folder", f"data.root='{folder}'", "perceptual=random", "data.batch_size=16", *BARE,
             "model.turns.generator_warmup_images=0", "data.num_workers=0", *small)
    size = 2 if machine.is_dry else 16
    names = ("train.py without looking", "train.py recorded", "train.py in bf16-mixed")
    return compared(machine, {name: partial(seconds_of_training, machine, (*typed, *OURS[name]), size)
                     for name in names[:1 if machine.is_dry else None]}, rounds=1 if machine.is_dry else 2)


def layout(machine: Machine) -> Iterator[Case]:
    """Measures what trainer.channels_last=auto saves in networks with InstanceNorm, and costs in none.

    auto is to be as fast as the faster of the two others; where it is not, the layout is chosen wrongly.
    """
    batch_size, small = (2, (*machine.narrow, "model.generator.num_blocks=1")) if machine.is_dry else (16, ())
    typed = ("model=cyclegan", "data=coloured_digits", f"data.batch_size={batch_size}", *small, *BARE)
    for layout in ("auto",) if machine.is_dry else ("auto", "true", "false"):
        yield f"cyclegan, {layout}", partial(speed_of_training, machine, (*typed, f"trainer.channels_last={layout}"),
                                             batch_size, 2 if machine.is_dry else 100)


def a_step(seconds: float, batch_size: int = BATCH) -> dict[str, float]:
    return {"ms a step": round(1e3 * seconds, 3), "images/s": round(batch_size / seconds)}


def seconds_of_training(machine: Machine, overrides: Sequence[str], batch_size: int = BATCH,
                        steps: int | None = None) -> float:
    steps, warm_up = steps or (3 if machine.is_dry else STEPS), 2 if machine.is_dry else 20
    return ours([*overrides, machine.trainer], steps, warm_up, batch_size) / steps


def speed_of_training(machine: Machine, overrides: Sequence[str], batch_size: int, steps: int) -> Outcome:
    seconds = seconds_of_training(machine, overrides, batch_size, steps)  # training resets the peak
    peak = {} if machine.is_dry else {"peak GiB": round(torch.cuda.max_memory_allocated() / 2**30, 2)}
    return Outcome(a_step(seconds, batch_size) | peak)


def loop_by_hand(machine: Machine, game: Game) -> OnDevice:
    made = settings(*game.overrides, *machine.narrow, *machine.quiet)
    torch.manual_seed(0)
    networks = build.networks(made)
    build_tricks(made, networks)
    placed = [each.to(machine.device, memory_format=torch.channels_last) for each in networks.values()]
    return game.by_hand(*placed, BATCH, made["model"]["latents"]["size"])


def build_tricks(made: Mapping[str, Any], networks: Mapping[str, nn.Module]) -> None:
    """Lets tricks that change networks do so: the loop by hand has torch's spectral norm as well."""
    for trick in build.tricks(made).values():
        if trick.changes_networks:
            trick.build(*networks.values())


def seconds_by_hand(machine: Machine, game: Game, is_compiled: bool = False) -> float:
    with numerics(tf32=False, benchmark=True):
        loop, batches = loop_by_hand(machine, game), BatchesOnDevice(machine.device)
        if is_compiled:
            loop.generator, loop.discriminator = torch.compile(loop.generator), torch.compile(loop.discriminator)
        steps, warm_up = (3, 2) if machine.is_dry else (STEPS, 10)
        return machine.seconds_a_call(lambda: loop.step(batches()), steps, warm_up)


def seconds_when_recorded(machine: Machine, game: Game) -> float:
    """Times a step that is replayed as a CUDA graph on new batches."""
    with numerics(tf32=False, benchmark=True):
        loop, batches = loop_by_hand(machine, game), BatchesOnDevice(machine.device)
        batch = batches().clone()

        def replay() -> None:
            batch.copy_(batches())
            graph.replay()

        play_aside(lambda: loop.step(batch), times=11)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loop.step(batch)
        return machine.seconds_a_call(replay, STEPS, warm_up=10)


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
    network = (RRDBNet(width=4, growth=2, num_blocks=1) if machine.is_dry else RRDBNet()).to(machine.device)
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
