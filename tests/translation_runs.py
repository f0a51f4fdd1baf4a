"""Runs that translate, without training: a checkpoint of networks as they start."""

from pathlib import Path
from typing import Any

from saddlepoint import build
from saddlepoint.runs import checkpoint
from tests.composing import settings

SMALL = {
    "pix2pix": ("model=pix2pix", "model.generator.width=4", "model.discriminator.width=4"),
    "cyclegan": ("model=cyclegan", "model.generator.width=4", "model.discriminator.width=4",
                 "model.generator.num_blocks=1"),
}


def translation_run(path: Path, model: str, *overrides: str, **data: int) -> Path:
    """Writes the run directory of a model. Its data, e.g. source_channels=1, need not exist."""
    composed_settings = settings(*SMALL[model], "data.image_size=16", "data.channels=3", *overrides)
    composed_settings["data"] |= {"source_channels": 3} | data
    for network in ("generator", "inverse_generator", "discriminator", "inverse_discriminator"):
        part = composed_settings["model"].get(network, {})
        ways = ("source_channels", "channels") if network.startswith("inverse") else ("channels", "source_channels")
        part |= {own: composed_settings["data"][name] for own, name in zip(("channels", "source_channels"), ways,
                                                                          strict=True) if own in part}
    return untrained_run(path, composed_settings)


def untrained_run(path: Path, composed_settings: dict[str, Any]) -> Path:
    """Writes the run directory of any model."""
    module = build.module(composed_settings)
    checkpoint.save(path / "checkpoints" / "last.ckpt", {
        "format": checkpoint.FORMAT, **module.provenance, "images_seen": 0, "module": module.state_dict()})
    return path
