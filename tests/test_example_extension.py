"""examples/extension/ as a stranger would use it: installed with pip, trained, swept, gone on with, sampled."""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).parents[1]
TINY = ["budget.images=32", "data.batch_size=8", "data.count=16", "model.generator.width=4",
        "model.discriminator.width=4", "trainer=cpu", "threads=1", "callbacks=none", "logger=none"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of an environment in which the example is installed beside all that is installed here."""
    home = tmp_path_factory.mktemp("lab") / "environment"
    venv.create(home, symlinks=True)
    here = [str(ROOT / "src"), *(each for each in sys.path if "site-" in each)]
    (packages(home) / "beside.pth").write_text("\n".join(here))
    source = shutil.copytree(ROOT / "examples" / "extension", home.with_name("source"))  # pip builds inside it
    subprocess.run([sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet",
                    "--no-deps", "--no-build-isolation", "--no-index", str(source)], check=True, capture_output=True)
    return home


def packages(home: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))


def printed(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_is_trained_swept_gone_on_with_and_sampled(lab, tmp_path):
    """Begun by the environment's own Python, and gone on with by copies of this one that have its packages"""
    def run(command: str, *arguments: str, starts: int = 0) -> str:
        line = [sys.executable, "-m", f"saddlepoint.commands.{command}", *arguments]
        return printed(warm.alone(line, tmp_path, starts, PYTHONPATH=str(packages(lab))))

    chosen = ["model=coordinates", "data=rings", "trick=[hidden_matching]", *TINY, "seed=0",
              "tricks.hidden_matching.weight=0.5", "-m", "hydra.sweep.dir=sweep"]
    own = subprocess.run([lab / "bin" / "python", "-m", "saddlepoint.commands.train", *chosen, "loss=exponential"],
                         cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 completed" in printed(own)
    assert "2 completed" in run("train", *chosen, "loss=exponential,hinge", starts=1)
    [trained] = [path for path in (tmp_path / "sweep").glob("0_*") if path.is_dir()]
    recorded = json.loads((trained / "environment.json").read_text())["extensions"]
    assert [(each["name"], each["version"]) for each in recorded] == [("mylab", "0.1.0")]
    assert "Done: 48 images" in run("train", f"resume={trained}", "budget.images=48")
    run("sample", f"run={trained}", "count=2", "output=picture.png")
    run("train", "model=two_scales", "data=rings", *TINY, "model.coarse_discriminator.width=4",
        "run.dir=three_networks")
    assert {"discriminator/fine.adversarial", "generator/coarse.adversarial", "logits/coarse.accuracy"} <= {
        *(tmp_path / "three_networks" / "metrics.csv").read_text().split("\n")[0].split(",")}
    assert (tmp_path / "picture.png").is_file()
    assert "exponential" in run("train", "--help")


def test_without_the_package_its_run_says_what_is_missing(tmp_path):
    where, folder = tmp_path / "run", f"extensions=[{ROOT / 'examples' / 'extension' / 'mylab'}]"
    train = [sys.executable, ROOT / "train.py", f"run.dir={where}", "loss=exponential", *TINY[:2], *TINY[4:]]
    assert folder in printed(warm.alone([*train, folder], tmp_path))  # the line that draws more repeats it
    done = warm.alone([sys.executable, ROOT / "sample.py", f"run={where}"], tmp_path)
    assert done.returncode == 2 and "was trained with mylab" in done.stderr and "Traceback" not in done.stderr
