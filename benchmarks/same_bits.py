"""Whether two commits train every recipe to the same bits: digests of weights, optimizers and curves, side by side.

    python benchmarks/same_bits.py revision=8ede00e [steps=4]

The other commit is checked out into a temporary folder. Each recipe is trained for a few steps by both, as train.py
does it, one process for each commit. Recipes that the other commit does not know are left out, and said so. Exit code 1
if a digest differs.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _arguments import read_arguments

ROOT = Path(__file__).parent.parent
BATCH = 8
SMALL = ("trainer=cpu", "logger=none", "callbacks=none", "callbacks.scalars.every_images=1", f"data.batch_size={BATCH}",
         "threads=1")
DIGITS = (*SMALL, "data.subset_size=64")
PHOTOS = (*SMALL, "data=sr_folder", "data.image_size=32", "perceptual=none")
NARROW = ("model.generator.width=8", "model.discriminator.width=8")
MLP = ("model=mlp", "model.generator.widths=[16,16]", "model.discriminator.widths=[16,16]")
NO_NORM = ("model.discriminator.normalization=none",)

RECIPES: dict[str, tuple[str, ...]] = {
    **{f"model {name}": (f"model={name}", *DIGITS, *NARROW) for name in (
        "dcgan", "acgan_dcgan", "resnet", "projection")},
    **{f"model {name}": (f"model={name}", *DIGITS) for name in (
        "dcgan_small", "mlp", "cgan", "acgan", "lecture_dcgan", "lecture_cgan")},
    **{f"model {name}": (f"model={name}", *PHOTOS, *NARROW, *more) for name, more in {
        "srgan": ("model.generator.num_blocks=2",),
        "esrgan": ("model.generator.num_blocks=1", "model.generator.growth=4"),
        "real_esrgan": ("model.generator.num_blocks=1", "model.generator.growth=4", "degradation=real_esrgan"),
    }.items()},
    "warm-up, then the game": ("model=srgan", *PHOTOS, *NARROW, "model.generator.num_blocks=2",
                               f"model.turns.generator_warmup_images={2 * BATCH}"),
    **{f"loss {name}": (*MLP, *DIGITS, *NO_NORM, f"loss={name}", *more) for name, more in {
        "minimax": (), "least_squares": (), "hinge": (), "wasserstein": ("trick=[wgan_gp]",), "relativistic": (),
        "relativistic_average": (),
    }.items()},
    **{f"trick {name}": (*MLP, *DIGITS, *NO_NORM, f"trick=[{name}]") for name in (
        "dragan", "ema", "instance_noise", "label_flip", "label_smoothing", "r1", "r2", "spectral_norm",
        "weight_clipping", "wgan_gp")},
    "many tricks": (*MLP, *DIGITS, *NO_NORM, "trick=[instance_noise,label_flip,label_smoothing,r1,spectral_norm,ema]"),
    "trick auxiliary_classifier": ("model=acgan", *DIGITS, "trick=[auxiliary_classifier]"),
    **{f"turns {name}": (*MLP, *DIGITS, *(f"model.turns.{setting}" for setting in turns)) for name, turns in {
        "discriminator_steps": ("discriminator_steps=2",), "generator_steps": ("generator_steps=2",),
        "multiples": ("generator_batch_multiple=2", "fake_batch_multiple=2"), "together": ("scoring=together",),
        "half": ("scoring=half",), "half with tricks": ("scoring=half", "fakes_in_eval=true"),
        "discriminator warm-up": (f"discriminator_warmup_images={2 * BATCH}",),
    }.items()},
    "optimizer rmsprop": (*MLP, *DIGITS, "optimizer=rmsprop"),
    "bfloat16": (*MLP, *DIGITS, "precision=bf16-mixed"),
}

TRAIN_ALL = '''
import hashlib, json, sys, tempfile
from contextlib import redirect_stdout
from pathlib import Path
tree, request, answer = sys.argv[1:]
sys.path[:0] = [tree, tree + "/src"]
import torch
from saddlepoint.training.train import train
from tests.composing import settings

def tensors(value, name=""):
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from tensors(value[key], f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from tensors(each, f"{name}.{index}")

def digest(run):
    saved, content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True), hashlib.sha256()
    for name, tensor in tensors({"module": saved["module"], "optimizers": saved["optimizers"]}):
        content.update(name.encode() + tensor.cpu().numpy().tobytes())
    rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    columns = [i for i, name in enumerate(rows[0]) if not name.startswith("throughput")]
    curves = sorted(zip(*([row[i] for i in columns] for row in rows)))
    content.update(repr(curves).encode())
    return content.hexdigest()

results = {}
for name, overrides in json.loads(Path(request).read_text()).items():
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        try:
            results[name] = digest(train(settings(*overrides), Path(folder, "run")))
        except Exception as error:
            results[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:100]}"
Path(answer).write_text(json.dumps(results))
'''


def digests(tree: Path, steps: int, folder: Path) -> dict[str, str]:
    """Returns the digest of each recipe, or the error, from a process that runs the code of `tree`."""
    request, answer = folder / "recipes.json", folder / "digests.json"
    request.write_text(json.dumps({name: (*overrides, f"budget.images={steps * BATCH}")
                                   for name, overrides in RECIPES.items()}))
    subprocess.run([sys.executable, "-c", TRAIN_ALL, tree, request, answer], check=True, cwd=folder,
                   stderr=subprocess.DEVNULL)
    return json.loads(answer.read_text())


def main() -> None:
    arguments = read_arguments({"revision": "HEAD", "steps": 4})
    with tempfile.TemporaryDirectory() as name:
        folder, other = Path(name), Path(name, "other")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", other, arguments["revision"]], cwd=ROOT,
                       check=True)
        try:
            theirs, ours = (digests(tree, arguments["steps"], folder) for tree in (other, ROOT))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", other], cwd=ROOT, check=True)
    different = 0
    for recipe in RECIPES:
        if ":" in theirs[recipe] or ":" in ours[recipe]:
            verdict, different = f"not compared ({theirs[recipe]} | {ours[recipe]})", different + (":" in ours[recipe])
        else:
            verdict = "same" if theirs[recipe] == ours[recipe] else "DIFFERENT"
            different += theirs[recipe] != ours[recipe]
        print(f"{recipe:32} {theirs[recipe][:12]} {ours[recipe][:12]} {verdict}")
    print(f"{len(RECIPES)} recipes, {arguments['steps']} steps each; {different} differ or fail here")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
