"""Translates what earlier versions of saddlepoint wrote into checkpoints and config.yaml into today's words.

Whoever moves or renames a class, or adds, renames or removes a setting, enters it here: runs of before then go on, are
drawn from and are compared. tests/test_former_runs.py says what is missing. Imports no torch.

A setting's address is its place in the settings (`trainer.devices`), or, where a class takes it, today's path of the
class and its name (`saddlepoint.data.folders.ImageFolder.white`), wherever in the settings the class is used.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

# Former module or class -> today's. The longest entry that fits counts; today's names are no former ones.
CLASSES: dict[str, str] = {
    "saddlepoint.callbacks": "saddlepoint.training.callbacks",
    "saddlepoint.callbacks.progress": "saddlepoint.training.callbacks.progress_line",
    "saddlepoint.modules": "saddlepoint.game",
    "saddlepoint.tricks.schedule": "saddlepoint.game.schedule",
}

# Former class name of a callback -> today's: checkpoints keep what callbacks remember under these.
CALLBACKS: dict[str, str] = {}

# Former beginning of a curve's name in metrics.csv -> today's.
CURVES: dict[str, str] = {"score/": "logits/", "health/": "stability/"}

# Former address of a setting -> today's name of a class's setting, or today's place.
RENAMED: dict[str, str] = {}

# Addresses of settings that are gone, and whose values made no difference.
DROPPED: frozenset[str] = frozenset()

# Address of a setting that earlier runs lack -> the value that means what they did.
ADDED: dict[str, Any] = {
    "extensions": [],  # there were none
    "model.initialise": None,
    "model.initialise_discriminator": "auto",
    "model.initialise_partly": False,
    "model.freeze_discriminator": 0,
    "trainer.tf32": False,  # on a CPU it means nothing; on a GPU convolutions had TF32, which nobody had asked for
    "trainer.deterministic": False,
    "trainer.record": False,
    "trainer.steps_a_visit": "auto",  # no bit depends on it
    "trainer.compile": False,
    "bf16": {"generator": None, "discriminator": None},
    # Files of floating-point numbers could not be read, and were left out.
    "saddlepoint.data.folders.ImageFolder.white": None,
    "saddlepoint.data.pairs.PairFolder.white": None,
    "saddlepoint.game.turns.Turns.order": "alternating",
    "saddlepoint.game.turns.Turns.share_latents": False,
    "saddlepoint.game.turns.Turns.rest_above_accuracy": None,
    "saddlepoint.data.sources.mnist5k.MNIST5k.held_out": 0,
    # Every class had all its images.
    "saddlepoint.data.sources.mnist5k.MNIST5k.rare_class": None,
    "saddlepoint.data.sources.mnist5k.MNIST5k.rare_images": 50,
    "saddlepoint.data.sources.mnist5k.PairsFromDigits.rare_class": None,
    "saddlepoint.data.sources.mnist5k.PairsFromDigits.rare_images": 50,
    "torch.optim.SGD.fused": False,
    "saddlepoint.training.callbacks.sample_quality.SampleQuality.split": "train",
    "saddlepoint.tricks.ema.ExponentialMovingAverage.sigma_rel": None,
    "saddlepoint.tricks.ema.ExponentialMovingAverage.also": None,
    # Where images are kept changes no bit of them.
    "saddlepoint.data.sources.mnist5k.MNIST5k.on_device": "auto",
    "saddlepoint.data.sources.mnist5k.PairsFromDigits.on_device": "auto",
    "saddlepoint.data.sources.mnist.MNIST.on_device": "auto",
    "saddlepoint.data.sources.mnist.FashionMNIST.on_device": "auto",
    "saddlepoint.data.sources.cifar10.CIFAR10.on_device": "auto",
    "saddlepoint.data.sources.photographs.PhotoEdges.on_device": "auto",
    "saddlepoint.data.sources.coloured_digits.ColouredDigits.on_device": "auto",
    "saddlepoint.data.folders.ImageFolder.on_device": False,
    "saddlepoint.data.paired_files.PairedFolders.on_device": False,
    "saddlepoint.data.paired_files.PairedHalves.on_device": False,
    "saddlepoint.data.paired_files.PairsFromFolder.on_device": False,
    "saddlepoint.data.unpaired_folders.UnpairedFolders.on_device": False,
    # Extractors resized in one way each.
    "saddlepoint.metrics.extractors.inception.Inception.interpolation": "tf1_bilinear",
    "saddlepoint.metrics.extractors.inception.Inception.scale": 128,
    "saddlepoint.metrics.extractors.random.RandomConvolutions.interpolation": "bilinear_antialiased",
    "saddlepoint.metrics.extractors.classifier.Classifier.interpolation": "bilinear_antialiased",
    "saddlepoint.metrics.extractors.classifier.Digits.interpolation": "bilinear_antialiased",
    # No map had attention.
    "saddlepoint.networks.resnet.ResNetGenerator.attention_at": None,
    "saddlepoint.networks.resnet.ResNetDiscriminator.attention_at": None,
    "saddlepoint.networks.conditional_resnet.ConditionalResNetGenerator.attention_at": None,
    "saddlepoint.networks.conditional_resnet.ProjectionResNetDiscriminator.attention_at": None,
    "saddlepoint.networks.conditional_resnet.ClassifyingResNetDiscriminator.attention_at": None,
    # Generators of these kinds ended in tanh.
    **{f"saddlepoint.networks.{name}.output_activation": "tanh" for name in (
        "biggan.BigGANGenerator", "conditional_dcgan.ConditionalDCGANGenerator", "dcgan.DCGANGenerator",
        "conditional_mlp.ConditionalMLPGenerator", "conditional_resnet.ConditionalResNetGenerator", "mlp.MLPGenerator",
        "resnet.ResNetGenerator")},
    # Generators of these kinds ended in nothing.
    **{f"saddlepoint.networks.{name}.output_activation": "none" for name in (
        "r3gan.R3GANGenerator", "r3gan.ConditionalR3GANGenerator", "stylegan2.StyleGAN2Generator",
        "stylegan2.ConditionalStyleGAN2Generator")},
    # Files were decoded whole.
    "saddlepoint.data.folders.ImageFolder.draft": False,
    "saddlepoint.data.paired_files.PairedFolders.draft": False,
    "saddlepoint.data.paired_files.PairsFromFolder.draft": False,
    "saddlepoint.data.unpaired_folders.UnpairedFolders.draft": False,
    # Latents were normal or uniform.
    "saddlepoint.game.latents.Latents.components": 50,
    "saddlepoint.game.latents.Latents.scale": 0.2,
    "saddlepoint.game.latents.Latents.scale_weight": 0.1,
    # E and G had no term beside the game.
    "saddlepoint.game.encoding.BiGANModule.reconstruction_weight": 0.0,
    "saddlepoint.game.encoding.BiGANModule.reconstruction_norm": "l2",
    # Discriminators compared no images.
    "saddlepoint.networks.conditional_dcgan.ClassifyingDCGANDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.conditional_dcgan.ClassifyingDCGANDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.conditional_mlp.ConditionalMLPDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.conditional_mlp.ConditionalMLPDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.conditional_resnet.ClassifyingResNetDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.conditional_resnet.ClassifyingResNetDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.conditional_resnet.ProjectionResNetDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.conditional_resnet.ProjectionResNetDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.dcgan.DCGANDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.dcgan.DCGANDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.mlp.MLPDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.mlp.MLPDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.points.PointDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.points.PointDiscriminator.minibatch_stddev": None,
    "saddlepoint.networks.resnet.ResNetDiscriminator.minibatch_discrimination": None,
    "saddlepoint.networks.resnet.ResNetDiscriminator.minibatch_stddev": None,
}

# Defaults that were lists of names, and are null today. A run goes on with its list, which takes the same files as
# ever; for a comparison of recipes they are one.
LISTED: dict[str, tuple[frozenset[str], ...]] = {
    "data.extensions": (
        frozenset({"png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "gif", "ppm", "pgm", "pbm"}),
        frozenset({"png", "jpg", "jpeg", "jfif", "webp", "bmp", "tif", "tiff", "ppm"}),
    ),
}


def in_todays_words(settings: Any) -> Any:
    """Returns a copy of saved settings with today's classes and settings. What is none of ours stays as it is."""
    return _with_todays_places(_with_todays_classes(settings))


def checkpoint_in_todays_words(content: Any) -> Any:
    """Returns the content of a checkpoint file with its settings, and the names of its callbacks, as they are today."""
    if not isinstance(content, Mapping):
        return content
    changed = {"settings": in_todays_words(content["settings"])} if "settings" in content else {}
    if isinstance(content.get("processes"), list):
        changed["processes"] = [_with_todays_callbacks(each) for each in content["processes"]]
    return {**content, **changed}


def todays_class(path: str) -> str:
    """Returns today's path of a class or module."""
    names = path.split(".")
    for count in range(len(names), 0, -1):
        if (beginning := ".".join(names[:count])) in CLASSES:
            return ".".join([CLASSES[beginning], *names[count:]])
    return path


def is_null_today(place: str, value: Any) -> bool:
    """Tells whether a value is an earlier version's default where today's is null."""
    return isinstance(value, list) and frozenset(map(str, value)) in LISTED.get(place, ())


def _with_todays_classes(settings: Any) -> Any:
    """Changes every part with a `_target_`, at any depth."""
    if isinstance(settings, list):
        return [*map(_with_todays_classes, settings)]
    if not isinstance(settings, Mapping):
        return settings
    part = {name: _with_todays_classes(value) for name, value in settings.items()}
    if not isinstance(part.get("_target_"), str):
        return part
    target = todays_class(part["_target_"])
    kept = {RENAMED.get(f"{target}.{name}", name): value for name, value in part.items()
            if f"{target}.{name}" not in DROPPED}
    lacking = {name: deepcopy(value) for address, value in ADDED.items()
               if (name := _of_class(address, target)) and name not in kept}
    return {**kept, "_target_": target, **lacking}


def _of_class(address: str, target: str) -> str | None:
    """Returns the setting's name if the address is one of this class."""
    holder, _, name = address.rpartition(".")
    return name if holder == target else None


def _with_todays_places(settings: Any) -> Any:
    """Changes settings that belong to no class, and parts as a whole. `settings` is a copy already."""
    for address in DROPPED:
        _taken(settings, address)
    for address, place in RENAMED.items():
        for value in _taken(settings, address):
            _put(settings, place, value)
    for address, value in ADDED.items():
        _put(settings, address, deepcopy(value))
    return settings


def _taken(settings: Any, place: str) -> list[Any]:
    """Takes the value at a place out of the settings and returns it; none where there is no such place."""
    holder, name = _holder(settings, place)
    return [holder.pop(name)] if isinstance(holder, dict) and name in holder else []


def _put(settings: Any, place: str, value: Any) -> None:
    """Puts a value where there is a part to hold it, and none yet."""
    holder, name = _holder(settings, place)
    if isinstance(holder, dict):
        holder.setdefault(name, value)


def _holder(settings: Any, place: str) -> tuple[Any, str]:
    *parents, name = place.split(".")
    for parent in parents:
        settings = settings.get(parent) if isinstance(settings, Mapping) else None
    return settings, name


def _with_todays_callbacks(process: Any) -> Any:
    remembered = process.get("callbacks") if isinstance(process, Mapping) else None
    if not isinstance(remembered, Mapping):
        return process
    return {**process, "callbacks": {CALLBACKS.get(name, name): state for name, state in remembered.items()}}


def curve_name(name: str) -> str:
    """Returns today's name of a curve that an earlier version may have written."""
    former = next((each for each in CURVES if name.startswith(each)), "")
    return CURVES[former] + name.removeprefix(former) if former else name
