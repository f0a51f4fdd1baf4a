"""Small runs of every family, and whether two runs ended the same, bit for bit."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import torch

from saddlepoint.runs import checkpoint

SMALL = ("trainer=cpu", "data.batch_size=8", "data.subset_size=40", "budget.images=96", "seed=5",
         "callbacks.scalars.every_images=16", "callbacks.checkpointing.every_images=24")
WATCHED = ("callbacks.image_grid.every_images=32", "callbacks.image_grid.count=4",
           "callbacks.sample_quality.metric=[fid]", "callbacks.sample_quality.every_images=48",
           "callbacks.sample_quality.num_fake=72", "data.subset_size=72", "callbacks.health.every_images=16")
NARROW = ("model.generator.width=4", "model.discriminator.width=4")
FAMILIES = {
    "dcgan, moving average, averaged rows": (*NARROW, *WATCHED, "trick=[augment,lecam,instance_noise,ema]",
                                             "tricks.augment.policy=ada_all", "tricks.augment.probability.images=400",
                                             "tricks.ema.also={short:{half_life_images:24},power:{sigma_rel:0.2}}",
                                             "callbacks.scalars.average=true"),
    "wgan-gp with three critic steps": (*NARROW, "callbacks=none", "model=resnet", "loss=wasserstein",
                                        "trick=[wgan_gp]", "model.turns.discriminator_steps=3",
                                        "optimizer=adam_wgan_gp", "model.discriminator.normalization=layer",
                                        "callbacks.health.every_images=40", "data.image_size=16",
                                        "data.fit=resize"),
    "conditional, dropout": ("model=cgan", "callbacks=none", "model.discriminator.dropout=0.3",
                             "model.turns.scoring=half", "model.generator.widths=[16,16]",
                             "model.discriminator.widths=[16,16]"),
    "spectral norm, hinge": (*NARROW, "callbacks=none", "loss=hinge", "model.discriminator.normalization=none",
                             "trick=[spectral_norm,packing,finite_difference,orthogonal]"),
    "codes, of infogan, watched": (*NARROW, "model=infogan", "data.image_size=28", "trick=[ema]",
                                   "callbacks.image_grid.every_images=48", "callbacks.image_grid.count=4",
                                   "callbacks.sample_quality.metric=[]", "callbacks.codes.every_images=32",
                                   "callbacks.codes.rows=2", "model.generator.hidden=8",
                                   "model.discriminator.hidden=8"),
    "a learned mixture, a reference batch": ("model=mlp", "trick=[ema]", "callbacks=none", "data.image_size=16",
                                             "data.fit=resize", "model.generator.normalization=virtual_batch",
                                             "model.latents.distribution=mixture", "model.generator.widths=[16]",
                                             "model.discriminator.widths=[16]",
                                             "model.discriminator.minibatch_stddev=4",
                                             "model.discriminator.minibatch_discrimination={kernels:3,dimensions:2}"),
    "pairs, of a stochastic encoder": (*NARROW, "model=bigan", "trick=[ema]", "callbacks=none",
                                       "model.encoder.width=4", "model.encoder.stochastic=true"),
    "an autoencoder, warm-up, watched": ("model=adversarial_autoencoder", "model.generator.widths=[8]",
                                         "model.encoder.widths=[8]", "model.turns.generator_warmup_images=32",
                                         "callbacks.sample_quality.metric=[]", "callbacks.health.every_images=null",
                                         "callbacks.image_grid.count=4", "callbacks.reconstructions.every_images=32"),
    "super-resolution, warm-up, game": (*NARROW, "experiment=srgan_x4", "callbacks=none", "data.subset_size=null",
                                        "data.image_size=32", "model.generator.num_blocks=1",
                                        "model.turns.generator_warmup_images=32"),
    "degraded pairs, some of which wait in the pool": (
        *NARROW, "model=real_esrgan", "data=sr_folder", "perceptual=random", "callbacks=none", "data.subset_size=3",
        "data.image_size=16", "data.degradation_crop=24", "data.pair_pool=20", "model.generator.num_blocks=1",
        "data.num_workers=1"),
    "translated with dropout, watched": (*NARROW, "model=pix2pix", "data=photo_edges", "data.image_size=32",
                                         "trick=[ema]", "callbacks.translation_quality.every_images=32",
                                         "callbacks.translation_quality.most_images=8",
                                         "callbacks.translation_quality.dropout=true"),
    "both ways, with a pool that fills": (*NARROW, "model=cyclegan", "data=coloured_digits", "callbacks=none",
                                          "loss=least_squares", "model.generator.num_blocks=1",
                                          "model.module.pool_size=36"),
}


def same(one: Path, other: Path) -> None:
    assert not differences(one, other)


def differences(one: Path, other: Path) -> list[str]:
    """Of two runs that came to their end; clocks, throughput and the place where they lie aside"""
    found = [f"{folder}/ has other files: {sorted(odd)}" for folder in ("samples", "checkpoints", ".")
             if (odd := names(one / folder) ^ names(other / folder))]
    found += [f"{folder.name} says {end}" for folder in (one, other) if (end := status(folder)["state"]) != "completed"]
    for name in names(one / "checkpoints") & names(other / "checkpoints") - {"last-1.ckpt"}:
        found += [f"{name}: {key}" for key in odd_keys(content(one, name), content(other, name))]
    for name, read in {"metrics.csv": rows, "metrics.json": scores, "status.json": images_seen}.items():
        found += [name] if read(one) != read(other) else []
    pictures = [f"samples/{name}" for name in names(one / "samples") & names(other / "samples")]
    files = [name for name in [*pictures, "generator.safetensors"] if (one / name).is_file()]
    return found + [name for name in files if bytes_of(one / name) != bytes_of(other / name)]


def names(folder: Path) -> set[str]:
    """Of files; each process writes TensorBoard events of its own"""
    return {path.name for path in folder.iterdir() if path.is_file() and "tfevents" not in path.name}


def bytes_of(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def odd_keys(one: dict, other: dict) -> list[str]:
    nothing = object()
    return sorted(key for key in one.keys() | other.keys() if one.get(key, nothing) != other.get(key, nothing))


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if "per_second" not in name} for row in rows]


def scores(run: Path) -> dict[str, object]:
    found = json.loads((run / "metrics.json").read_text())
    return {path: value for path, value in flat(found)
            if not path.startswith(".cost.") and not path.endswith(".revision")}


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def images_seen(run: Path) -> int:
    return status(run)["images_seen"]


def content(run: Path, name: str = "last.ckpt") -> dict[str, object]:
    """What a checkpoint holds, flat, without clocks, its place, the length of visits, and the code's revision, which
    may change meanwhile"""
    return {path: value for path, value in flat(checkpoint.load(run / "checkpoints" / name))
            if not path.endswith((".seconds", ".processor_seconds", ".revision"))
            and not path.startswith((".settings.run", ".settings.resume", ".settings.trainer.steps_a_visit"))}


def flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """(dotted path, plain value or a tensor's bits)"""
    if isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(inner, f"{path}.{key}")
    else:
        yield path, bits(value) if isinstance(value, torch.Tensor) else value


def bits(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
