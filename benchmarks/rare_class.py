"""Whether generated images help a rare class: recall of a digit of which few images are left, with several remedies.

    python benchmarks/rare_class.py folder=runs/rare_class

For each seed: a conditional GAN (experiment=cgan_mnist) learns 4,000 digits of mnist5k less most of the class `digit`,
of which `images` stay; saddlepoint-augment draws what this class lacks; and classifiers (train_classifier.py) learn
from the digits as they are, with the rare ones repeated, with the generated ones, and with those of the generated ones
that the classifier of the repeated ones takes for the digit. 1,000 digits, 100 of each, are held out from all of them.
Prints a line for each classifier. Runs, folders and classifiers that are there already are used as they are; `seed` is
the first one.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from _arguments import read_arguments

import saddlepoint
from saddlepoint.config.composing import settings_of
from saddlepoint.environment import called_from_python
from saddlepoint.training import classifier

DEFAULTS = {"folder": "runs/rare_class", "seed": 0, "seeds": 3, "digit": 3, "images": 50, "gan_images": 80_000,
            "classifier_images": 16_000}
SMALL = ("data.image_size=16", "data.fit=resize", "data.batch_size=64")  # of classifiers, which costs a quarter
REPEATED = "rare ones repeated"


def main() -> None:
    arguments = read_arguments(DEFAULTS)
    print("| seed | training images | recall of the rare digit | mean recall of the others | accuracy |")
    print("|---|---|---|---|---|")
    for seed in range(arguments["seed"], arguments["seed"] + arguments["seeds"]):
        compare(Path(arguments["folder"]), seed, arguments)


def compare(folder: Path, seed: int, arguments: Mapping[str, int]) -> None:
    """Trains a GAN and the classifiers of a seed, and prints a line for each of these."""
    digit, budget = arguments["digit"], f"budget.images={arguments['classifier_images']}"
    data = ["data=mnist5k", "data.held_out=1000", f"data.rare_class={digit}", f"data.rare_images={arguments['images']}",
            "threads=1", f"seed={seed}"]
    run = folder / f"rare_seed{seed}"
    if not (run / "checkpoints" / "last.ckpt").exists():
        saddlepoint.train("experiment=cgan_mnist", *data, f"budget.images={arguments['gan_images']}", f"run.dir={run}",
                          "callbacks=none", "logger=none")

    def trained(remedy: str, *settings: str) -> Path:
        path = folder / f"{remedy.replace(' ', '_')}_seed{seed}.safetensors"
        if not path.exists():
            train([*data, *SMALL, *settings, budget, f"name={path.stem}", f"output={path}"])
        print(line(seed, remedy, digit, json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))), flush=True)
        return path

    def filled(name: str, *settings: str) -> Path:
        extra = folder / f"{name}_seed{seed}"
        if not extra.exists():
            saddlepoint.augment(f"run={run}", f"class={digit}", f"seed={seed}", f"output={extra}", *settings)
        return extra

    trained("as they are")
    judge = trained(REPEATED, "oversample=true")
    trained("generated ones added", f"extra={filled('generated')}")
    trained("picked ones added", f"extra={filled('picked', f'classifier={judge}')}")


def train(settings: list[str]) -> None:
    with called_from_python("train_classifier", settings):
        classifier.train(settings_of(settings, "train_classifier"), f"train_classifier.py {' '.join(settings)}")


def line(seed: int, remedy: str, digit: int, card: Mapping[str, list[float]]) -> str:
    others = [recall for label, recall in enumerate(card["recalls"]) if label != digit]
    return (f"| {seed} | {remedy} | {card['recalls'][digit]:.2f} | {sum(others) / len(others):.3f} | "
            f"{card['accuracy']:.3f} |")


if __name__ == "__main__":
    main()
