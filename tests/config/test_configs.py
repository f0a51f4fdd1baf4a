"""Every yaml file fits the class it names, every setting has a rule, every option composes and trains."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import copytree

import pytest
from omegaconf import OmegaConf

from saddlepoint import making
from saddlepoint.config.setting_rules import RULES, rule_for
from saddlepoint.config.signatures import signature_of
from saddlepoint.data.array_images import ArrayImages
from saddlepoint.data.paired_files import PairedFolders, PairedHalves, PairsFromFolder
from saddlepoint.data.pairs import PairFolder
from saddlepoint.data.sources.celeba import CelebA
from saddlepoint.data.sources.coloured_digits import ColouredDigits
from saddlepoint.data.sources.lsun import LSUN
from saddlepoint.data.sources.photographs import PhotoEdges
from saddlepoint.data.sources.stacked_digits import StackedDigits
from saddlepoint.data.sources.tiny_imagenet import TinyImageNet
from saddlepoint.data.unpaired_folders import UnpairedFolders
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.training.train import train
from tests.composing import CONF, SMALL, composed, groups, options, read_yaml, settings
from tests.data import published
from tests.data.archive_files import write_array_folder, write_stylegan_folder
from tests.data.formats import write_cifar10, write_idx, write_latents, write_photo_folder, write_voxels

DATA_FILES = {"mnist": write_idx, "fashion_mnist": write_idx, "cifar10": write_cifar10,
              "image_folder": write_photo_folder, "paired_folders": write_photo_folder,
              "paired_halves": write_photo_folder, "pairs_from_folder": write_photo_folder,
              "unpaired_folders": write_photo_folder, "zip": write_stylegan_folder, "array": write_array_folder,
              "cifar100": published.write_cifar100, "svhn": published.write_svhn, "stl10": published.write_stl10,
              "kmnist": published.write_kmnist,
              "emnist": published.write_emnist, "celeba": published.write_celeba,
              "tiny_imagenet": published.write_tiny_imagenet, "lsun": published.write_lsun,
              "voxels": write_voxels, "stored_latents": write_latents}
SMALL_SETS = ("image_folder", "zip", "array", "stored_latents", "celeba", "tiny_imagenet", "lsun")
WITHOUT_EXTRACTOR = ("voxels", "made_voxels", "stored_latents")  # data that no network of ours sees
OF_TWO_FOLDERS = ("paired_folders", "unpaired_folders")
OF_PERCEPTUAL = ("data.image_size=32", "data.subset_size=2", "model.generator.num_blocks=1")
SMALL_UPSCALER = (*OF_PERCEPTUAL, "perceptual=random")
SMALL_FILES = ("data.image_size=32", "data.load_size=36", "data.subset_size=4")
SMALL_DEGRADATION = ("data.degradation_crop=48", "data.pair_pool=8")
# What a class decides for its base class.
OF_LISTED = {"extensions", "train_fraction", "split_seed", "white", "draft"}
ITS_OWN = {PairFolder: {"resize", "crop", "draft", "on_device"}, PairedFolders: {"crop"},
           PairedHalves: {"crop", "draft"}, PairsFromFolder: {"crop"},
           ArrayImages: {"extensions", "corrupt", "cache", "max_pixels", "draft"}, UnpairedFolders: {"crop"},
           CelebA: {*OF_LISTED, "resize", "crop"}, TinyImageNet: OF_LISTED, LSUN: OF_LISTED,
           PhotoEdges: {"fit"}, ColouredDigits: {"fit"}, StackedDigits: {"horizontal_flip"}}
OF_EVALUATE = {"data.root", "data.cache"}  # which has no class of data, only these two
NEED_DOWNLOADS = {("perceptual", name) for name in ("vgg19", "vgg19_esrgan", "vgg19_real_esrgan")}
# What an option needs beside itself to be sensible: an impossible one is refused, which other tests show.
NEEDS = {
    ("loss", "wasserstein"): ("trick=wgan_gp", "model.discriminator.normalization=layer"),
    ("tricks", "wgan_gp"): ("model.discriminator.normalization=layer",),
    ("tricks", "dragan"): ("model.discriminator.normalization=layer",),
    ("tricks", "r1"): ("model.discriminator.normalization=layer",),
    ("tricks", "r2"): ("model.discriminator.normalization=layer",),
    ("tricks", "finite_difference"): ("model.discriminator.normalization=layer",),
    ("tricks", "auxiliary_classifier"): ("model=acgan_dcgan",),
    ("tricks", "consensus"): ("model.turns.order=simultaneous",),
    ("tricks", "pull_away"): ("model=ebgan", "loss=ebgan"),
    ("data", "partly_labelled_digits"): ("model=semi_supervised", "data.labelled_per_class=1", "data.subset_size=100"),
    ("experiment", "semi_supervised_digits"): ("data.labelled_per_class=1", "data.subset_size=100"),
    **{("tricks/augment/policy", name): ("trick=augment",) for name in options("tricks/augment/policy")},
    **{("tricks/consistency/policy", name): ("trick=consistency",) for name in options("tricks/consistency/policy")},
    ("model", "acgan"): ("trick=auxiliary_classifier",),
    ("model", "acgan_dcgan"): ("trick=auxiliary_classifier",),
    ("data", "sr_folder"): ("model=srgan", *SMALL_UPSCALER),
    ("degradation", "bicubic"): ("data=sr_folder", "model=srgan", *SMALL_UPSCALER),
    ("degradation", "real_esrgan"): ("data=sr_folder", "model=srgan", *SMALL_UPSCALER, *SMALL_DEGRADATION),
    ("perceptual", "none"): ("data=sr_folder", "model=srgan", *OF_PERCEPTUAL),
    ("perceptual", "random"): ("data=sr_folder", "model=srgan", *OF_PERCEPTUAL),
    ("model", "srgan"): ("data=sr_folder", *SMALL_UPSCALER),
    ("model", "esrgan"): ("data=sr_folder", *SMALL_UPSCALER),
    ("model", "infogan"): ("data.image_size=28",),
    ("model", "real_esrgan"): ("data=sr_folder", *SMALL_UPSCALER, *SMALL_DEGRADATION),
    ("experiment", "srgan_x4"): (*SMALL_UPSCALER, "model.turns.generator_warmup_images=8"),
    ("experiment", "esrgan_x4"): (*SMALL_UPSCALER, "data.num_workers=0"),
    ("experiment", "real_esrgan_x4"): (*SMALL_UPSCALER, *SMALL_DEGRADATION, "data.num_workers=0"),
    ("model", "pix2pix"): ("data=photo_edges", "data.image_size=32"),
    ("model", "cyclegan"): ("data=coloured_digits", "model.generator.num_blocks=1"),
    ("data", "photo_edges"): ("model=pix2pix", "data.image_size=32"),
    ("data", "pairs_from_digits"): ("model=pix2pix",),
    ("data", "moving_digits"): ("model=pix2pix",),
    ("data", "coloured_digits"): ("model=cyclegan", "model.generator.num_blocks=1"),
    ("data", "paired_folders"): ("model=pix2pix", *SMALL_FILES),
    ("data", "paired_halves"): ("model=pix2pix", *SMALL_FILES),
    ("data", "pairs_from_folder"): ("model=pix2pix", "data.pair=edges", *SMALL_FILES),
    ("data", "unpaired_folders"): ("model=cyclegan", "model.generator.num_blocks=1", *SMALL_FILES),
    ("data/pair", "edges"): ("data=pairs_from_digits", "model=pix2pix"),
    ("data/pair", "grey"): ("data=photo_edges", "model=pix2pix", "data.image_size=32"),
    ("data/pair", "holes"): ("data=pairs_from_digits", "model=pix2pix"),
    ("data/pair", "noise"): ("data=pairs_from_digits", "model=pix2pix"),
    ("data/pair", "reduced"): ("data=pairs_from_digits", "model=pix2pix"),
    ("data/pair", "next_frame"): ("data=moving_digits", "model=pix2pix"),
    ("data/digits", "mnist5k"): ("data=stacked_digits", "data.image_size=32"),
    ("data/digits", "mnist"): ("data=stacked_digits", "data.image_size=32"),
    ("data", "stacked_digits"): ("data.image_size=32",),
    ("data", "stored_latents"): ("model.generator.output_activation=none",),
    ("experiment", "pix2pix_facades"): ("data.load_size=32",),
    ("experiment", "cyclegan_horses"): ("data.load_size=32", "model.generator.num_blocks=1"),
}
OF_SHAPES = ("model=gan3d", "data.edge=8")
# Points, which have no images to choose from and no maps.
NEEDS |= {("model", name): ("model.generator.most_maps=4", "model.generator.style_size=8", "model.latents.size=8",
                            "model.discriminator.most_maps=4") for name in ("stylegan2", "stylegan2_conditional")}
NEEDS |= {("experiment", f"r3gan_{name}"): ("bf16={generator:[1],discriminator:[0]}",)  # of fewer stages
          for name in ("ffhq64", "ffhq256", "imagenet32", "imagenet64")}
for name in ("imagenet32", "imagenet64"):
    NEEDS["experiment", f"r3gan_{name}"] += ("data.num_classes=10",)
NEEDS["experiment", "stylegan2_cifar10"] = NEEDS["model", "stylegan2"]
NEEDS |= {("data", name): ("model=points",) for name in ("ring", "grid", "dirac")}
NEEDS |= {("data", "high_dimensional_mixture"): ("model=points", "data.dimensions=16", "data.mixture.subspace=8"),
          ("data", "made_voxels"): (*OF_SHAPES, "data.num_shapes=16"), ("data", "voxels"): OF_SHAPES,
          ("model", "gan3d"): ("data=made_voxels", *OF_SHAPES[1:]),
          ("model", "points"): ("data=ring",), ("model", "pacgan_points"): ("data=ring",),
          ("model", "dirac"): ("data=dirac",)}
OF_GROUP = {"perceptual": ("data=sr_folder", "model=srgan"), "degradation": ("data=sr_folder",),
            "data/pair": ("data=pairs_from_folder",), "data/digits": ("data=stacked_digits",),
            "tricks/augment/policy": (), "tricks/consistency/policy": ()}
TRAINED = ("data", "data/digits", "data/pair", "degradation", "model", "perceptual", "loss", "optimizer", "tricks",
           "tricks/augment/policy", "tricks/consistency/policy", "experiment", "turns")
FAST = ("model.generator.width=4", "model.discriminator.width=4")
# Sets that are files of the user's, and experiments on them.
OF_FILES = {name for name in options("data") if "root" in read_yaml(CONF / "data" / f"{name}.yaml")} - {
    "sr_folder", "stacked_digits"}
WITH_FILES = {name for name in options("experiment") for data in OF_FILES
              if f"override /data: {data}\n" in (CONF / "experiment" / f"{name}.yaml").read_text()}
WITHOUT_WIDTH = {("model", "stylegan2"), ("model", "stylegan2_conditional"),
                 ("model", "mlp"), ("model", "cgan"), ("model", "lecture_dcgan"), ("model", "lecture_cgan"),
                 ("model", "pacgan_digits"), ("model", "metz_digits"), ("model", "adversarial_autoencoder"),
                 ("model", "bigan_mlp"), ("data", "partly_labelled_digits")}


def is_of_points(overrides: list[str]) -> bool:
    """Points are data with dimensions, of which there are no subsets; their networks have no maps."""
    chosen = composed(*(each for each in overrides if each.partition("=")[0] in ("data", "model", "experiment")))[0]
    return "dimensions" in chosen.data


def nodes_with_target(content, path=""):
    if isinstance(content, dict):
        if "_target_" in content:
            yield path, content
        for key, value in content.items():
            yield from nodes_with_target(value, f"{path}.{key}" if path else key)


def target_nodes_of_ours() -> list:
    found = []
    for file in sorted(CONF.rglob("*.yaml")):
        for path, node in nodes_with_target(read_yaml(file)):
            if node["_target_"].startswith("saddlepoint.") and not path.startswith("hydra."):  # Hydra makes those
                found.append(pytest.param(node, id=f"{file.relative_to(CONF)}:{path}"))
    return found


@pytest.mark.parametrize("node", target_nodes_of_ours())
def test_a_yaml_file_holds_the_arguments_of_its_class(node):
    """All of them, so that each can be overridden, except those that build.py hands over as objects."""
    target = making.target_class(node, "here")
    arguments = making.arguments(target)
    of_the_game = making.arguments(SynthesisModule) | {"content"}
    handed_over = of_the_game if issubclass(target, AdversarialModule) else {"context", "data", "extractor"}
    assert node.keys() - {"_target_", "defaults", "adversarial_weight"} == (
        arguments - handed_over - ITS_OWN.get(target, set()))


@pytest.mark.parametrize("file", [pytest.param(path, id=str(path.relative_to(CONF))) for path in CONF.rglob("*.yaml")])
def test_a_yaml_file_opens_with_what_it_is(file):
    assert file.read_text().startswith("# ")


@cache
def every_configuration() -> list[dict]:
    """One of each command, and of train.py so many that all options of all groups are among them."""
    made = [composed(config=command)[0] for command in
            ("sample", "evaluate", "train_classifier", "translate", "invert", "augment", "export", "prepare",
             "audit", "upscale", "compare", "convert_statistics", "claims", "probe", "concept")]
    made += [composed(f"protocol={name}", config="evaluate")[0] for name in options("protocol")]
    made.append({"hydra": {"launcher": read_yaml(CONF / "hydra" / "launcher" / "processes.yaml"),
                           "sweeper": read_yaml(CONF / "hydra" / "sweeper" / "search.yaml")}})
    chosen = [group for group in groups() if group not in ("tricks", "turns", "first_weights", "prior", "experiment",
                                                         "metrics", "protocol")]
    lines = [[f"{group}={option}", *more] for group, more in OF_GROUP.items() for option in options(group)]
    others = {group: options(group) for group in chosen if group not in OF_GROUP and options(group)}
    for number in range(max(map(len, others.values()))):  # an option of each group at once
        line = {group: each[number % len(each)] for group, each in others.items()}
        if line["data"] in WITHOUT_EXTRACTOR:
            line.pop("extractor")
        lines.append([f"{group}={option}" for group, option in line.items()])
    lines += [["model=adversarial_autoencoder", f"prior@model.latents={prior}"] for prior in options("prior")]
    made += [composed(*line)[0] for line in lines]
    return [OmegaConf.to_container(OmegaConf.create(each), resolve=True) for each in made]


def settings_by_class(settings: dict, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields the class whose constructor takes a setting (empty: none of ours), the argument and the setting's path."""
    target = settings.get("_target_", "")
    target = target if target.startswith("saddlepoint.") else ""
    for name, value in settings.items():
        here = f"{path}.{name}" if path else name
        if isinstance(value, dict) and value and ("_target_" in value or not target):
            yield from settings_by_class(value, here)
        elif not name.startswith("_"):
            yield target, name, here


@cache
def every_setting() -> set[tuple[str, str, str]]:
    return {each for settings in every_configuration() for each in settings_by_class(settings)}


def test_every_setting_of_a_class_has_a_rule_from_its_constructor_and_no_other():
    of_classes = [(target, name, path) for target, name, path in every_setting()
                  if target and signature_of(target).argument(name)]  # not those of a model's data beside other data
    assert len(of_classes) > 200
    assert [each for each in of_classes if signature_of(each[0]).argument(each[1]).rule is None] == []
    assert {path for _, _, path in of_classes if rule_for(path)} == OF_EVALUATE


def test_every_other_setting_has_a_rule_in_the_table():
    assert [path for target, _, path in every_setting() if not target and rule_for(path) is None] == []


def test_every_rule_of_the_table_is_for_a_setting():
    used = {rule_for(path) for target, _, path in every_setting() if not target}
    assert {pattern for pattern, rule in RULES.items() if rule not in used} == set()


@pytest.mark.parametrize("target", sorted({param.values[0]["_target_"] for param in target_nodes_of_ours()}))
def test_the_source_text_of_a_constructor_is_read_as_python_reads_it(target):
    """Names alone: what rules say is tried by settings, in test_check.py."""
    signature, kind = signature_of(target), making.target_class({"_target_": target}, "here")
    assert signature.name == kind.__name__ and not signature.more
    assert signature.arguments.keys() == making.arguments(kind) - ITS_OWN.get(kind, set())


def of_experiments() -> set[tuple[str, str]]:
    """Group and option of what experiments choose, and so train."""
    chosen = re.compile(r"- override /(model|loss|optimizer): (\w+)")
    return {choice for path in (CONF / "experiment").glob("*.yaml") for choice in chosen.findall(path.read_text())}


def trained_options():
    elsewhere = {("tricks", "all"), ("turns", "alternating"), *NEED_DOWNLOADS, *of_experiments()}
    return [pytest.param(group, option, id=f"{group}={option}") for group in TRAINED if (CONF / group).is_dir()
            for option in options(group) if (group, option) not in elsewhere]


def source_folder(data: str, files: Path) -> list[str]:
    """Copies the files for a set of two folders."""
    if data not in OF_TWO_FOLDERS:
        return []
    return [f"data.source_root={copytree(files, files.with_name('sources'))}"]


def small_experiment(name, files):
    """Its data in little, and where the networks have widths, few maps."""
    made = settings(f"experiment={name}", "data.root=nowhere") if name in WITH_FILES else settings(f"experiment={name}")
    overrides = []
    if name in WITH_FILES:
        if made["data"]["name"] == "cifar10":
            write_cifar10(files)
        elif made["data"]["name"] == "voxels":
            write_voxels(files)
            overrides.append("data.edge=8")
        else:
            write_photo_folder(files, classes=tuple("abcdefghij") if made["data"]["num_classes"] else ())
            overrides += ["data.image_size=32", "data.subset_size=null", "data.num_workers=0"]
        overrides.append(f"data.root={files}")
        overrides += source_folder(made["data"]["name"], files)
    if "maps" in made["model"]["generator"]:
        overrides += ["model.generator.maps=[8,8,8]", "model.discriminator.maps=[8,8,8]"]
    return overrides + (list(FAST) if "width" in made["model"]["generator"] else [])


@pytest.mark.parametrize(("group", "option"), trained_options())
def test_every_option_trains_two_batches(group, option, tmp_path):
    choice = f"trick={option}" if group == "tricks" else f"{group}={option}"
    overrides = [*SMALL, choice, *NEEDS.get((group, option), ())]
    if group in ("data", "data/digits") and option in DATA_FILES:
        DATA_FILES[option](tmp_path / "files")
        overrides += [f"data.root={tmp_path / 'files'}"]
        overrides += [] if option in ("voxels", "stored_latents") else ["data.num_workers=0"]
        overrides += source_folder(option, tmp_path / "files")
    if group == "data" and option in SMALL_SETS:
        overrides += ["data.image_size=16", "data.subset_size=4"]
    if group == "experiment":
        overrides += small_experiment(option, tmp_path / "files")
    elif (group, option) not in WITHOUT_WIDTH:
        overrides += FAST
    if is_of_points(overrides):
        overrides = [each for each in overrides if each not in FAST and not each.startswith("data.subset_size=")]
    run = train(settings(*overrides), tmp_path / "run")
    assert read_yaml(run / "status.json")["state"] == "completed"
    assert read_yaml(run / "status.json")["images_seen"] == 16


def test_the_optimizer_of_sagans_own_game_is_not_overruled_by_its_experiment():
    made = settings("experiment=sagan_cifar10", "optimizer=two_timescale", "model.turns.discriminator_steps=1")
    assert made["optimizer"] == settings("optimizer=two_timescale")["optimizer"]
