"""examples/extension/ as a stranger would use it: installed with pip, trained, swept, gone on with, sampled."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = ["budget.images=32", "data.batch_size=8", "data.count=16", "model.generator.width=4",
        "model.discriminator.width=4", "trainer=cpu", "threads=1", "callbacks=none", "logger=none"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the bin folder of an environment in which the example is installed beside all that is installed here."""
    home = tmp_path_factory.mktemp("lab") / "environment"
    venv.create(home, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    here = [str(ROOT / "src"), *(each for each in sys.path if "site-" in each)]
    (packages / "beside.pth").write_text("\n".join(here))
    source = shutil.copytree(ROOT / "examples" / "extension", home.with_name("source"))  # pip builds inside it
    subprocess.run([sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet",
                    "--no-deps", "--no-build-isolation", "--no-index", str(source)], check=True, capture_output=True)
    return home / "bin"


def run(lab: Path, folder: Path, command: str, *arguments: str) -> str:
    """Runs a command of ours with the environment's Python in a folder and returns what it printed."""
    done = subprocess.run([lab / "python", "-m", f"saddlepoint.commands.{command}", *arguments], cwd=folder,
                          env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_trained_swept_gone_on_with_and_sampled(lab, tmp_path):
    chosen = ["model=coordinates", "data=rings", "trick=[feature_matching]", *TINY]
    printed = run(lab, tmp_path, "train", *chosen, "loss=exponential,hinge", "tricks.feature_matching.weight=0.5",
                  "-m", "hydra.sweep.dir=sweep")
    assert "2 completed" in printed
    trained = tmp_path / "sweep" / "0_loss=exponential"
    recorded = json.loads((trained / "environment.json").read_text())["extensions"]
    assert [(each["name"], each["version"]) for each in recorded] == [("mylab", "0.1.0")]
    assert "Done: 48 images" in run(lab, tmp_path, "train", f"resume={trained}", "budget.images=48")
    run(lab, tmp_path, "sample", f"run={trained}", "count=2", "output=picture.png")
    assert (tmp_path / "picture.png").is_file()
    assert "exponential" in run(lab, tmp_path, "train", "--help")


def test_without_the_package_its_run_says_what_is_missing(tmp_path):
    where, folder = tmp_path / "run", f"extensions=[{ROOT / 'examples' / 'extension' / 'mylab'}]"
    train = [sys.executable, ROOT / "train.py", f"run.dir={where}", "loss=exponential", *TINY[:2], *TINY[4:]]
    done = subprocess.run([*train, folder], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and folder in done.stdout, done.stderr  # the line that draws more repeats it
    done = subprocess.run([sys.executable, ROOT / "sample.py", f"run={where}"], cwd=tmp_path, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2 and "was trained with mylab" in done.stderr and "Traceback" not in done.stderr
