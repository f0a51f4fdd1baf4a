"""How much memory the presets need on a GPU, computed without one.

    python benchmarks/memory.py
    python benchmarks/memory.py experiment=r3gan_ffhq256 batch=32

A round of each preset, D's updates and G's, is played with tensors that have shapes but no numbers, and every piece of
memory is followed from its first use until nothing refers to it: networks, gradients, both moments of Adam, the average
of G, and what the forward passes keep for the backward ones (of R1 and R2 too, with bfloat16 where the preset has it).
`batch` is of one GPU. Prints the most that is in use at once, for the round after the first. Not counted: what
convolutions use beside their inputs and outputs, unused rests of the allocator's blocks, the data, CUDA itself (about
0.5 GiB). So a GPU needs more than this.
"""

import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import torch
from _arguments import read_arguments
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).parent.parent))  # for the tests' settings
from saddlepoint import build  # noqa: E402
from saddlepoint.game.adversarial import AdversarialModule  # noqa: E402
from saddlepoint.game.batches import ImageBatch  # noqa: E402
from tests.composing import settings  # noqa: E402

PRESETS = {"r3gan_cifar10": (64, 512), "r3gan_ffhq64": (32, 256), "r3gan_ffhq256": (32, 256),
           "r3gan_imagenet32": (128, 512), "r3gan_imagenet64": (64, 256), "sagan_cifar10": (64,),
           "biggan_cifar10": (64,), "stylegan2_cifar10": (64,)}  # images on one GPU
BARE = ("callbacks=none", "logger=none", "trainer=cpu", "data.root=nowhere")


class InUse(TorchDispatchMode):
    """Counts the bytes of all memory that tensors made inside refer to, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return result

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def main() -> None:
    asked = read_arguments({"experiment": "", "batch": 0})
    presets = {asked["experiment"]: PRESETS.get(asked["experiment"], (64,))} if asked["experiment"] else PRESETS
    print("| preset | images on a GPU | between steps, GiB | at most, GiB |\n|---|---|---|---|")
    for name, batches in presets.items():
        for batch in (asked["batch"],) if asked["batch"] else batches:
            between, most = gibibytes(name, batch)
            print(f"| `{name}` | {batch} | {between:.2f} | {most:.2f} |", flush=True)


def gibibytes(experiment: str, batch: int) -> tuple[float, float]:
    """Plays two rounds -> (what is in use between them, what is at most during the second)"""
    made = settings(f"experiment={experiment}", *BARE, "tricks.r1.every=1")  # the step that needs most
    module, shapes, used = build.module(made), FakeTensorMode(allow_non_fake_inputs=True), InUse()
    with shapes, used:
        for part in module.modules():
            for owned in (part._parameters, part._buffers):
                owned.update((name, shapes.from_tensor(each)) for name, each in owned.items() if each is not None)
        for each in (*module.parameters(), *module.buffers()):
            used.add(each)
        make_ready(module, made)
        images = torch.empty(batch, made["data"]["channels"], *[made["data"]["image_size"]] * 2)
        real = ImageBatch(images, torch.zeros(batch, dtype=torch.long))
        for _ in range(module.turns.discriminator_steps):
            module.training_step(real, 0)
        between, used.most = used.now, used.now
        for _ in range(module.turns.discriminator_steps):
            module.training_step(real, 0)
    return between / 2**30, used.most / 2**30


def make_ready(module: AdversarialModule, made: dict) -> None:
    """Makes training_step work without Lightning's loop."""
    module.budget_images = made["budget"]["images"]
    module._trainer = SimpleNamespace(world_size=1, global_rank=0, should_stop=False)
    optimizers = module.configure_optimizers()
    wrapped = [SimpleNamespace(optimizer=each, param_groups=each.param_groups) for each in optimizers]
    module.optimizers = lambda: wrapped
    module.players_optimizers.directly = True


if __name__ == "__main__":
    main()
