"""Small networks, and their weights in files of every kind."""

import struct
from pathlib import Path

import torch
from torch import Tensor, nn

from saddlepoint.networks.rrdb import RRDBNet
from saddlepoint.upscaling.ncnn import MAGIC, STORED_AS

FLOAT16, FLOAT32 = 0x01306B47, 0


def small_rrdbnet(scale: int = 4, num_blocks: int = 1, channels: int = 3, seed: int = 0) -> RRDBNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = RRDBNet(channels, scale, width=4, growth=2, num_blocks=num_blocks)
    network.conv_last.bias.data.fill_(0.5)  # mid grey: little is clipped
    return network


def write_pth(path: Path, network: nn.Module, wrapper: str | None = "params_ema") -> Path:
    state = network.state_dict()
    torch.save({wrapper: state} if wrapper else state, path)
    return path


def convolutions_of(network: nn.Module) -> list[tuple[str, Tensor, Tensor]]:
    """In the order in which they compute, found by watching them."""
    seen: list[tuple[str, Tensor, Tensor]] = []
    hooks = [module.register_forward_hook(
        lambda module, *_, name=name: seen.append((name, module.weight.detach(), module.bias.detach())))
        for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    network(torch.zeros(1, network.channels, 8, 8))
    for hook in hooks:
        hook.remove()
    return seen


def ncnn_text(convolutions: list[tuple[str, Tensor, Tensor]]) -> str:
    """A .param file as the genuine ones are, activations and the layers between convolutions included."""
    lines = ["Input                    input.1                  0 1 data"]
    for index, (_, weight, _) in enumerate(convolutions):
        lines.append(f"Convolution              Conv_{index}                   1 1 {index} {index + 1} 0={len(weight)} "
                     f"1={weight.shape[3]} 4=1 5=1 6={weight.numel()} 9=2 -23310=1,2.000000e-01")
        lines.append(f"Split                    splitncnn_{index}              1 2 {index + 1} {index}_a {index}_b")
    lines.append("Eltwise                  Add_16                   2 1 1_a 1_b sum 0=1 -23301=2,2.000000e-01,1.0e+00")
    return "\n".join([MAGIC, f"{len(lines)} {2 * len(lines)}", *lines]) + "\n"


def ncnn_bytes(convolutions: list[tuple[str, Tensor, Tensor]], tag: int = FLOAT16) -> bytes:
    content = b""
    for _, weight, bias in convolutions:
        kernel = weight.numpy().astype(STORED_AS[tag]).tobytes()
        content += struct.pack("<I", tag) + kernel + bytes(-len(kernel) % 4) + bias.numpy().tobytes()
    return content


def write_ncnn(folder: Path, name: str, network: nn.Module, tag: int = FLOAT16) -> tuple[Path, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    parameters, weights = folder / f"{name}.param", folder / f"{name}.bin"
    parameters.write_text(ncnn_text(convolutions_of(network)))
    weights.write_bytes(ncnn_bytes(convolutions_of(network), tag))
    return parameters, weights
