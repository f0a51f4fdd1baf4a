"""Makes small data sets of pairs, and reads their batches, for the tests."""

from itertools import islice
from pathlib import Path

import numpy
import torch
from PIL import Image

from saddlepoint.data.pairs import PairFolder
from saddlepoint.game.batches import PairedBatch


def pair_folder(root: Path | None, **changes) -> PairFolder:
    settings = {"channels": 3, "image_size": 16, "scale": 4, "batch_size": 4, "seed": 5, "extensions": ["png", "jpg"],
                "low_root": None, "validation_root": None, "horizontal_flip": False, "rotate": False,
                "memory_megabytes": 100} | changes
    data = PairFolder(name="sr_folder", root=str(root) if root else None, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def paired_batches(data: PairFolder, count: int, start: int = 0) -> list[PairedBatch]:
    data.start_at(start)
    return [data.on_after_batch_transfer(batch, 0) for batch in islice(data.train_dataloader(), count)]


def stream(data: PairFolder, count: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns high [count * N, C, S, S] and low [count * N, C, S / s, S / s], uint8, of `count` batches."""
    batches = paired_batches(data, count, start)
    highs = torch.cat([batch.real for batch in batches])
    return ((highs + 1) * 127.5).round().byte(), torch.cat([batch.low for batch in batches]).mul(255).round().byte()


def write_noise(root: Path, names: tuple[str, ...] = ("a", "b", "c"), width: int = 40, height: int = 28) -> list[Path]:
    """Writes pictures of noise, no two parts of which are the same, and returns their paths."""
    root.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        pixels = numpy.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
        Image.fromarray(pixels).save(root / f"{name}.png")
    return [root / f"{name}.png" for name in names]


def pixels_of(path: Path) -> torch.Tensor:
    """Reads a file as RGB, uint8 [C, H, W]."""
    return torch.from_numpy(numpy.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)


def place_of(crop: torch.Tensor, image: torch.Tensor) -> tuple[int, int] | None:
    """Returns the row and column at which a crop [C, h, w] is in an image [C, H, W]; None if it is nowhere."""
    windows = image.unfold(1, crop.shape[1], 1).unfold(2, crop.shape[2], 1)  # [C, rows, columns, h, w]
    places = (windows == crop[:, None, None]).flatten(3).all(-1).all(0).nonzero().tolist()
    return tuple(places[0]) if places else None
