"""Public names of packages: they exist, cost nothing before they are used, and include what conf/ names."""

import importlib
import subprocess
import sys

import pytest

from tests.composing import CONF, options, read_yaml

PACKAGES = ("saddlepoint", *(f"saddlepoint.{name}" for name in (
    "game", "losses", "tricks", "networks", "data", "metrics", "sampling", "upscaling", "runs", "training.callbacks")))
GROUPS = {"loss": "losses", "tricks": "tricks", "data": "data", "metrics": "metrics", "extractor": "metrics"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_can_be_imported(package):
    module = importlib.import_module(package)
    assert module.__all__ == sorted(set(module.__all__))
    assert {"__name__", *module.__all__} <= {*dir(module)}
    assert all(getattr(module, name).__module__.startswith("saddlepoint.") for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("group", GROUPS)
def test_the_class_of_every_option_is_public(group):
    for option in options(group):
        target = read_yaml(CONF / group / f"{option}.yaml")["_target_"]
        public = importlib.import_module(f"saddlepoint.{GROUPS[group]}")
        assert f"{getattr(public, target.rpartition('.')[2]).__module__}.{target.rpartition('.')[2]}" == target


def test_importing_the_packages_loads_no_torch_and_nothing_of_hydra():
    code = (f"import sys, {', '.join(PACKAGES)}\n"
            "print([name for name in ('torch', 'hydra', 'numpy', 'pytorch_lightning') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
