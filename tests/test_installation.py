"""What `pip install` gives: settings, data files and commands that work from any folder, and all that they need."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMMANDS = ("train", "sample", "evaluate", "translate", "invert", "augment", "upscale", "export", "probe", "concept",
            "prepare", "audit", "compare", "train_classifier", "convert_statistics", "claims")
NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "skimage": "scikit-image", "hydra": "hydra-core",
         "IPython": "ipython"}  # where import differs
ADAPTED = {"basicsr"}  # installed apart, see the Makefile


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with the content of the wheel, as pip lays it out."""
    home = tmp_path_factory.mktemp("wheel")
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, home / "source" / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, home / "source")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
                    "--wheel-dir", str(home), str(home / "source")], check=True, capture_output=True)
    with zipfile.ZipFile(next(home.glob("*.whl"))) as wheel:
        wheel.extractall(home / "site")
    return home / "site"


CALL = r"""
import importlib, sys
arguments = sys.argv[1:]
while arguments:
    end = arguments.index(";")
    print(end="\f")
    sys.argv = [f"saddlepoint-{arguments[0].replace('_', '-')}", *arguments[1:end]]
    if exit_code := importlib.import_module(f"saddlepoint.commands.{arguments[0]}").main():
        sys.exit(exit_code)
    arguments = arguments[end + 1:]
"""


def call(installed: Path, folder: Path, *lines: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Calls the functions behind console commands as their scripts do, one after the other until one fails, in a
    folder, with nothing of the checkout."""
    arguments = [word for line in lines for word in (*line, ";")]
    return subprocess.run([sys.executable, "-P", "-c", CALL, *arguments], cwd=folder, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}, check=False)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_the_wheel_has_every_module_every_setting_and_every_data_file(installed):
    assert files_of(installed / "saddlepoint" / "conf") == files_of(ROOT / "conf")
    source = {name for name in files_of(ROOT / "src") if ".egg-info" not in name}
    assert source == {name for name in files_of(installed)
                      if not name.startswith("saddlepoint/conf/") and ".dist-info" not in name}


def test_every_command_is_a_console_command(installed):
    assert PROJECT["scripts"] == {f"saddlepoint-{name.replace('_', '-')}": f"saddlepoint.commands.{name}:main"
                                  for name in COMMANDS}
    called_as_modules = {f"{name}.py" for name in ("translate", "invert", "augment", "export", "probe",
                                                   "concept", "prepare", "audit", "convert_statistics", "claims")}
    scripts = {f"{name}.py" for name in COMMANDS} - called_as_modules
    assert scripts <= {path.name for path in ROOT.glob("*.py")}


@pytest.fixture(scope="module")
def helps(installed, tmp_path_factory) -> dict[str, str]:
    """Returns what each command says of itself in an empty folder, which stays empty."""
    folder = tmp_path_factory.mktemp("anywhere")
    done = call(installed, folder, *([command, "--help"] for command in COMMANDS))
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    _, *texts = done.stdout.split("\f")
    return dict(zip(COMMANDS, texts, strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_find_their_settings_from_any_folder_and_name_themselves(helps, command):
    assert f"saddlepoint-{command.replace('_', '-')} " in helps[command] and f"{command}.py" not in helps[command]


def test_a_slip_is_refused_as_the_script_refuses_it(installed, tmp_path):
    done = call(installed, tmp_path, ["train", "loss=hing", "budget.images=-1"])
    script = subprocess.run([sys.executable, ROOT / "train.py", "loss=hing", "budget.images=-1"], cwd=tmp_path,
                            capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (script.returncode, script.stderr)
    assert done.returncode == 2 and "did you mean hinge?" in done.stderr


def test_an_installation_trains_and_names_the_command_that_draws(installed, tmp_path):
    train = ["train", "budget.images=16", "data.batch_size=8", "data.subset_size=16", "model.generator.width=4",
             "model.discriminator.width=4", "trainer=cpu", "callbacks=none", "run.dir=run"]
    done = call(installed, tmp_path, train, ["sample", "run=run", "count=2", "output=two.png"])
    assert done.returncode == 0 and (tmp_path / "two.png").is_file(), done.stderr
    assert "saddlepoint-sample run=run" in done.stdout and "python " not in done.stdout


def test_every_package_that_is_imported_is_declared():
    extras = PROJECT["optional-dependencies"].values()
    declared = [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]
    known = {re.split(r"[^\w.-]", each)[0].lower() for each in declared} | ADAPTED
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
            imported |= {name.split(".")[0] for name in names}
    foreign = imported - set(sys.stdlib_module_names) - {"saddlepoint", "hydra_plugins"}
    assert {NAMES.get(name, name).replace("_", "-") for name in foreign} - known == set()
