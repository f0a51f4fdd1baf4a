"""Whether generated images help a rare class: recall of a digit of which few images are left, with three remedies.

    python benchmarks/rare_class.py folder=runs/rare_class

For each seed: a conditional GAN (experiment=cgan_mnist) learns 4,000 digits of mnist5k, of which `images` are of the
class `digit`; saddlepoint-augment draws what this class lacks; and classifiers (train_classifier.py) learn from the
digits as they are, with the rare ones repeated, and with the generated ones. 1,000 digits, 100 of each, are held out
from all of them. Prints a line for each classifier. Runs and folders that are there already are used as they are, and
`seed` is the first one. Five minutes of a core for each seed.
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
            "classifier_images": 40_000}


def main() -> None:
    arguments = read_arguments(DEFAULTS)
    folder = Path(arguments["folder"])
    print("| seed | training images | recall of the rare digit | mean recall of the others | accuracy |")
    print("|---|---|---|---|---|")
    for seed in range(arguments["seed"], arguments["seed"] + arguments["seeds"]):
        common = ["data.held_out=1000", f"data.rare_class={arguments['digit']}",
                  f"data.rare_images={arguments['images']}", "threads=1", f"seed={seed}"]
        run = folder / f"rare_seed{seed}"
        if not (run / "checkpoints" / "last.ckpt").exists():
            saddlepoint.train("experiment=cgan_mnist", *common, f"budget.images={arguments['gan_images']}",
                              f"run.dir={run}", "callbacks=none", "logger=none")
        extra = folder / f"generated_seed{seed}"
        if not extra.exists():
            saddlepoint.augment(f"run={run}", f"class={arguments['digit']}", f"seed={seed}", f"output={extra}")
        remedies = {"as they are": [], "rare ones repeated": ["oversample=true"],
                    "generated ones added": [f"extra={extra}"]}
        for remedy, settings in remedies.items():
            name = f"{remedy.replace(' ', '_')}_seed{seed}"
            card = trained([*common, *settings, f"name={name}", f"output={folder / name}.safetensors", "overwrite=true",
                            f"budget.images={arguments['classifier_images']}"])
            print(line(seed, remedy, arguments["digit"], card), flush=True)


def trained(settings: list[str]) -> Mapping[str, object]:
    """Returns the card of a classifier that is trained with these settings."""
    settings = ["data=mnist5k", *settings]
    with called_from_python("train_classifier", settings):
        path = classifier.train(settings_of(settings, "train_classifier"), "benchmarks/rare_class.py")
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def line(seed: int, remedy: str, digit: int, card: Mapping[str, object]) -> str:
    others = [recall for label, recall in enumerate(card["recalls"]) if label != digit]
    return (f"| {seed} | {remedy} | {card['recalls'][digit]:.2f} | {sum(others) / len(others):.3f} | "
            f"{card['accuracy']:.3f} |")


if __name__ == "__main__":
    main()
