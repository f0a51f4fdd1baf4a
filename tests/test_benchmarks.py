"""The benchmarks: what they import exists, and their arguments are checked."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


def imported(path: Path) -> list[tuple[str, str]]:
    """Returns (module, name) for each name that a script takes from the package or from the tests."""
    return [(node.module, alias.name) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("saddlepoint", "tests")
            for alias in node.names]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_name_of_ours_that_a_benchmark_imports_is_there(script):
    """Most of them are not run here, and a module that moves must not leave them behind."""
    for module, name in imported(script):
        holder = importlib.import_module(module)
        assert hasattr(holder, name) or isinstance(importlib.import_module(f"{module}.{name}"), ModuleType)


@pytest.mark.parametrize(("argument", "sentence"), [
    ("round=3", "round=3 is not taken: this benchmark takes features=, images=, rounds="),
    ("rounds=few", "rounds=few must be a whole number"),
])
def test_a_slip_in_an_argument_ends_in_a_sentence(argument, sentence):
    script = ROOT / "benchmarks" / "frechet.py"
    done = subprocess.run([sys.executable, script, argument], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"{sentence}\n")
