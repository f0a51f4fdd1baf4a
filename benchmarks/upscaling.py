"""Images per second of RRDBNet x4: ours, basicsr's as Real-ESRGAN runs it, OpenVINO where it is installed; in turn.

    python benchmarks/upscaling.py side=128 blocks=23 rounds=5 threads=2

basicsr's network is in float32 and contiguous, without gradients; ours has the same weights. Medians of the ratios,
and how far the outputs are apart, of their largest value.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable

import torch
from _arguments import read_arguments
from torch import Tensor, nn

from saddlepoint.compat import basicsr
from saddlepoint.networks import basicsr_layout

Way = Callable[[Tensor], Tensor]


def in_openvino(network: nn.Module, low: Tensor) -> Way:
    import openvino

    converted = openvino.convert_model(network, example_input=low)
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda image: torch.from_numpy(compiled(image.numpy())[0])


def ways(num_blocks: int, low: Tensor) -> dict[str, Way]:
    theirs = basicsr.module("archs.rrdbnet_arch").RRDBNet(3, 3, num_block=num_blocks).eval()
    for parameter in theirs.body.parameters():
        parameter.mul_(10)  # they start a tenth as wide as usual: dense blocks would hardly show in the outputs
    made = {"ours": basicsr_layout.build(theirs.state_dict()).eval(), "basicsr": theirs}
    if importlib.util.find_spec("openvino"):
        made["OpenVINO"] = in_openvino(theirs, low)
    else:
        print("OpenVINO is not installed (pip install openvino): left out")
    return made


def timed(way: Way, low: Tensor) -> tuple[float, Tensor]:
    started = time.perf_counter()
    high = way(low)
    return time.perf_counter() - started, high


@torch.inference_mode()
def main() -> None:
    side, num_blocks, num_rounds, threads = read_arguments(
        {"side": 128, "blocks": 23, "rounds": 5, "threads": torch.get_num_threads()}).values()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    low = torch.rand(1, 3, side, side)
    print(f"RRDBNet x4 of {num_blocks} blocks, {side}x{side} -> {4 * side}x{4 * side}; torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads")
    made = ways(num_blocks, low)
    highs = {name: timed(way, low)[1] for name, way in made.items()}  # the first call sets up the convolutions
    rounds = []
    for _ in range(num_rounds):
        rounds.append({name: timed(way, low)[0] for name, way in made.items()})
        print("  seconds:", ", ".join(f"{name} {seconds:.2f}" for name, seconds in rounds[-1].items()), flush=True)
    for name in list(made)[1:]:
        ratio = statistics.median(seconds[name] / seconds["ours"] for seconds in rounds)
        apart = ((highs[name] - highs["ours"]).abs().max() / highs[name].abs().max()).item()
        print(f"ours: {ratio:.2f} times the images/s of {name}; outputs at most {apart:.1e} apart")


if __name__ == "__main__":
    main()
