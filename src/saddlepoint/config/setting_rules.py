"""Holds the rules of the settings that no constructor of ours takes: those of commands, and of other frameworks'
classes.

Imports no torch. Every other setting has the rule that its class's constructor states (signatures.py).
"""

from fnmatch import fnmatchcase
from functools import cache

from saddlepoint.config.rules import (
    Rule,
    a_class,
    address,
    all_or_a_class,
    boolean,
    either,
    image_size,
    integer,
    list_of,
    not_empty,
    number,
    one_of,
    optional,
    path,
    sum_of_images,
    text,
)


@cache
def rule_for(path: str) -> Rule | None:
    return next((rule for pattern, rule in RULES.items() if fnmatchcase(path, pattern)), None)


SEED = integer(0, 2**63 - 1)
COUNT = integer(1)
WHITE = optional(number(0, above=True))
AGAIN = list_of(one_of("refused", "diverged", "failed", "killed", "hung", "stopped"), empty=True)

RULES: dict[str, Rule] = {
    # The experiment
    "trick": list_of(text, empty=True),
    "seed": SEED,
    "budget.images": COUNT,
    "describe": boolean,
    "precision": one_of("32-true", "bf16-mixed", "16-mixed"),
    "bf16.*": either(one_of("all", None), list_of(integer())),
    "threads": optional(COUNT),
    "run.dir": optional(path),
    "resume": optional(path),
    "extensions": either(path, list_of(path, empty=True)),
    "model.initialise": optional(path),
    "model.initialise_discriminator": optional(path),  # or auto
    "model.initialise_partly": boolean,
    "model.freeze_discriminator": integer(0),
    "model.colours": one_of("symmetric", "unit"),
    "perceptual": lambda value: None,  # none: an empty group
    # Optimizers
    "optimizer.*.lr": number(0, above=True),
    "optimizer.*.betas": list_of(number(0, 1, below=True), length=2),
    "optimizer.*.alpha": number(0, 1, below=True),
    "optimizer.*.eps": number(0),
    "optimizer.*.momentum": number(0),
    "optimizer.*.nesterov": boolean,
    "optimizer.*.weight_decay": number(0),
    "optimizer.*.fused": optional(boolean),
    "optimizer.schedule": number(0),
    # Drawing
    "run": optional(path),
    "output": optional(path),
    "network": text,
    "overwrite": boolean,
    "class": optional(all_or_a_class),
    "layout": one_of("rows", "columns"),
    "count": optional(COUNT),
    "truncation": optional(number(0)),
    "columns": optional(COUNT),
    "files": boolean,
    "interpolate": list_of(SEED, empty=True),
    "interpolate_class": list_of(a_class, empty=True),
    "codes": either(COUNT, list_of(COUNT, empty=True)),
    "code_range": list_of(number(), length=2),
    "concept": optional(path),
    "concept_strength": list_of(number()),
    "directions": either(COUNT, list_of(COUNT, empty=True)),
    "direction_range": list_of(number(), length=2),
    "steps": optional(integer(2)),
    "training": optional(text),
    "fps": optional(number(0.01, 240)),
    "arithmetic": optional(sum_of_images),
    "mesh": one_of("obj", "ply", None),
    "threshold": number(0, 1, above=True, below=True),
    # Upscaling
    "upscale": optional(path),
    "input": optional(path),
    "scale": optional(number(0, above=True)),
    "compare": boolean,
    "format": one_of("png", "jpg", "webp", "tiff", None),
    "quality": optional(integer(1, 100)),
    "recursive": boolean,
    "tile": either(one_of("auto"), integer(16)),
    "overlap": optional(integer(0)),
    "max_pixels": integer(1, 178_956_970),  # beyond it Pillow refuses
    # Translating
    "direction": one_of("forward", "back"),
    "size": one_of("training", "own"),
    "dropout": boolean,
    # Inverting and filling classes
    "images": optional(path),
    "anomalies": optional(path),
    "start": one_of("latents", "encoder"),
    "method": one_of("adam", "lbfgs"),
    "restarts": COUNT,
    "prior_weight": number(0),
    "features": one_of("none", "discriminator", "perceptual"),
    "feature_weight": number(0, 1),
    "walk": list_of(text, empty=True),
    "walk_steps": integer(2),
    "shown": COUNT,
    "classifier": optional(path),
    "least_probability": number(0, 1),
    # Preparing and auditing data
    "crop": one_of("center", "none"),
    "filter": one_of("box", "bilinear", "hamming", "bicubic", "lanczos"),
    "labels": one_of("folders", "dataset.json", "none"),
    "against": optional(path),
    "distance": integer(0, 16),
    # Measuring
    "name": optional(text),  # a-z, 0-9 and _: the card says so
    "lr": number(0, above=True),
    "part": optional(text),
    "augment": boolean,
    "extra": optional(path),
    "oversample": boolean,
    "metric": optional(list_of(text)),
    "real": optional(path),
    "fake": optional(path),
    "split": one_of("train", "whole", "test"),
    "num_fake": optional(COUNT),
    "num_real": optional(COUNT),
    "resamples": optional(either(one_of(0), integer(10))),
    "weights": optional(text),  # ema, raw, or the name of an average in tricks.ema.also
    "batchnorm": one_of("running", "standing", "batch"),
    "standing_batches": COUNT,
    "protocol": optional(text),
    "quantisation": one_of("rounded", "half_up", "truncated", "stretched"),
    "reference.num_images": optional(COUNT),
    "reference.interpolation": optional(text),
    "reference.split": one_of("train", "test", "all", None),
    "statistics": optional(path),
    "data.root": optional(either(path, list_of(path))),  # evaluate.py's, in place of the run's
    "data.cache": optional(path),
    "image_size": optional(image_size),
    "resize": one_of("stretch", "short_side", None),
    "channels": one_of(1, 3, None),
    "image_extensions": optional(list_of(text)),
    "white": WHITE,
    "num_workers": integer(0),
    "device": one_of("auto", "cpu", "gpu"),
    "remember": boolean,
    # Probing
    "layers": optional(list_of(COUNT)),
    "repeats": COUNT,
    "untrained": boolean,
    # Concepts
    "positive": optional(either(path, integer(0))),  # or the name or number of a class
    "negative": optional(either(path, integer(0))),
    "confidence": number(0, 1),
    "strengths": list_of(number()),
    # Comparing
    "runs": optional(either(path, list_of(path))),
    "value": either(one_of("last", "best"), COUNT),
    "evaluations": boolean,
    "baseline": optional(either(text, COUNT)),
    "across": list_of(text, empty=True),
    "published": optional(path),
    "page": optional(path),
    # Claims
    "only": optional(list_of(text)),
    "train": boolean,
    "jobs_at_once": optional(COUNT),
    "again": AGAIN,
    "claims": optional(path),
    "reproductions": optional(path),
    "results": optional(path),
    "pages": optional(path),
    # What looks, and where it runs
    "logger": lambda value: None,  # none: an empty group
    "logger.tensorboard.name": text,  # empty: the run directory itself
    "logger.*.name": not_empty,
    "logger.*.version": optional(text),
    "logger.tensorboard.default_hp_metric": boolean,
    "logger.csv.flush_logs_every_n_steps": COUNT,
    "logger.wandb.project": text,
    "logger.wandb.offline": boolean,
    "logger.mlflow.experiment_name": text,
    "logger.mlflow.tracking_uri": address,
    "trainer.accelerator": one_of("auto", "cpu", "gpu"),
    "trainer.devices": optional(COUNT),
    "trainer.num_nodes": optional(COUNT),
    "trainer.synchronise_batchnorm": boolean,
    "trainer.channels_last": one_of("auto", True, False),
    "trainer.tf32": boolean,
    "trainer.deterministic": boolean,
    "trainer.record": boolean,
    "trainer.steps_a_visit": either(COUNT, one_of("auto")),
    "trainer.compile": boolean,
    # Sweeps
    "hydra.launcher.jobs_at_once": optional(COUNT),
    "hydra.launcher.jobs_per_gpu": COUNT,
    "hydra.launcher.*_minutes": optional(number(0, above=True)),
    "hydra.launcher.grace_seconds": number(0),
    "hydra.launcher.again": AGAIN,
    "hydra.sweeper.trials": COUNT,
    "hydra.sweeper.space": lambda value: None,  # read by search/space.py
    "hydra.sweeper.metric": optional(text),
    "hydra.sweeper.value": one_of("last", "best"),
    "hydra.sweeper.direction": one_of("minimize", "maximize", None),
    "hydra.sweeper.sampler": one_of("tpe", "random"),
    "hydra.sweeper.*_startup_trials": integer(0),
    "hydra.sweeper.seed": SEED,
    "hydra.sweeper.pruner": one_of("none", "median", "percentile", "hyperband"),
    "hydra.sweeper.pruner_warmup_images": integer(0),
    "hydra.sweeper.percentile": number(0, 100, above=True, below=True),
}

OF_COMMANDS: dict[str, dict[str, Rule]] = {  # settings that mean something else elsewhere
    "sample": {"format": one_of("png", "gif", "mp4", "npz", "zip", None)},
    "upscale": {"weights": path, "precision": one_of("auto", 32, 16, "bf16")},
    "invert": {"class": optional(a_class), "steps": integer(0)},
    "augment": {"class": optional(a_class)},
    "export": {"format": one_of("onnx", "pt2")},
    "prepare": {"format": one_of("png", "jpg"), "resize": one_of("short_side", "stretch", "none"),
                "num_workers": either(one_of("auto"), integer(1))},
    "audit": {"num_workers": either(one_of("auto"), integer(1))},
    "concept": {"count": integer(1)},
    "probe": {"network": one_of("discriminator", "encoder", None), "labels": integer(2),
              "classifier": one_of("svm", "logistic")},
    "claims": {"runs": optional(path)},
}
