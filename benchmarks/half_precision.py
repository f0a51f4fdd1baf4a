"""How far enlarging in half precision is from enlarging in float32, in levels of 255, on crops of photographs.

    python benchmarks/half_precision.py weights=realesrgan_x4plus side=64 threads=2

The photographs are scikit-image's. A CPU in half precision rounds the output of every layer and adds up in float32, as
a GPU does; so the numbers are close to those of a GPU, but not the same.
"""

import time

import torch
from _arguments import read_arguments
from skimage import data
from torch import Tensor

from saddlepoint.upscaling.precision import PRECISIONS, Precision
from saddlepoint.upscaling.tiling import TiledUpscaler, prepare_for_inference
from saddlepoint.upscaling.weights import load

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "camera")


def crops(side: int) -> dict[str, Tensor]:
    """Returns the middle of each photograph as uint8 [C, side, side]; C is 1 or 3."""
    middles = {}
    for name in PHOTOGRAPHS:
        pixels = torch.from_numpy(getattr(data, name)().copy())
        planes = pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1)
        top, left = ((length - side) // 2 for length in planes.shape[1:])
        middles[name] = planes[:, top:top + side, left:left + side]
    return middles


def main() -> None:
    weights, side, threads = read_arguments(
        {"weights": "realesrgan_x4plus", "side": 64, "threads": torch.get_num_threads()}).values()
    torch.set_num_threads(threads)
    network = prepare_for_inference(load(weights).network)
    exact = TiledUpscaler(network)
    print(f"{weights}, crops of {side} x {side}; torch {torch.__version__}, {threads} threads")
    for name, low in crops(side).items():
        reference = exact(low).int()
        for dtype in (torch.float16, torch.bfloat16):
            started = time.perf_counter()
            high = TiledUpscaler(network, precision=Precision(dtype, dtype))(low).int()
            seconds, levels = time.perf_counter() - started, (high - reference).abs()
            changed = (levels > 0).double().mean().item()
            print(f"{name:10} {PRECISIONS[dtype]:5} largest difference {levels.max().item():2}, mean "
                  f"{levels.double().mean().item():.4f}, changed {changed:7.2%}, more than one level "
                  f"{(levels > 1).double().mean().item():7.3%}  ({seconds:.1f} s)")


if __name__ == "__main__":
    main()
