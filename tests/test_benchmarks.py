"""The benchmarks: what they import exists, and their arguments are checked."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

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


def test_the_loop_by_hand_plays_with_our_networks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from training import by_hand
    loop = by_hand(["model=mlp", "data=mnist5k", "trainer=cpu"])
    before = [next(network.parameters()).clone() for network in (loop.generator, loop.discriminator)]
    loop.step(torch.zeros(loop.batch_size, 1, 32, 32))
    after = [next(network.parameters()) for network in (loop.generator, loop.discriminator)]
    assert not any(map(torch.equal, before, after))


@pytest.mark.parametrize(("argument", "sentence"), [
    ("round=3", "round=3 is not taken: this benchmark takes root=, rounds="),
    ("rounds=few", "rounds=few must be a whole number"),
    ("rounds", "rounds is not taken: this benchmark takes root=, rounds="),
])
def test_a_slip_in_an_argument_ends_in_a_sentence(argument, sentence, monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from _arguments import read_arguments
    defaults = {"root": "", "rounds": 5}
    assert read_arguments(defaults, ["root=a=b", "rounds=2"]) == {"root": "a=b", "rounds": 2}
    with pytest.raises(SystemExit) as end:
        read_arguments(defaults, [argument])
    assert (end.value.code, capsys.readouterr().err) == (2, f"{sentence}\n")


def test_memory_is_counted_until_nothing_refers_to_it(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from memory import InUse
    with InUse() as used:
        kept = torch.zeros(1000)  # 4 bytes each
        seen = kept.view(10, 100)
        passing = seen + 1
        assert (used.now, used.most) == (8000, 8000)
        del passing
        weight = torch.ones(1000, requires_grad=True)
        loss = (weight * kept).exp().sum()  # exp keeps its output for the backward pass
    assert (used.now, used.most) == (12_004, 16_000)  # the product was there beside what exp made of it
    del loss
    assert used.now == 8000
