"""The yaml files of conf/data and the constructors are the same settings."""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

FOLDER = Path(__file__).parents[2] / "conf" / "data"
FILES = sorted(FOLDER.glob("*.yaml"))


def constructor_arguments(kind: type) -> set[str]:
    """Those of `kind` and, where it hands **settings on to super(), those of its bases."""
    names = set()
    for base in kind.__mro__:
        if "__init__" in vars(base):
            parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
            names |= {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
            if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
                return names
    raise AssertionError(f"{kind} hands **settings on to nobody")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_has_every_argument_of_its_class_and_no_other(path):
    settings = OmegaConf.create({"seed": 0, "data": OmegaConf.load(path)}).data
    kind = get_class(settings._target_)
    assert set(settings) - {"_target_"} == constructor_arguments(kind)
    assert settings.name == path.stem
    values = OmegaConf.to_container(settings, resolve=True)
    assert values.pop("seed") == 0
    data = kind(**{name: value for name, value in values.items() if name != "_target_"}, seed=3)
    for name in ("name", "channels", "image_size", "num_classes", "batch_size", "horizontal_flip", "subset_size"):
        assert getattr(data, name) == settings[name]
    assert data.seed == 3


def test_all_the_sets_are_here():
    assert [path.stem for path in FILES] == ["cifar10", "fashion_mnist", "image_folder", "mnist", "mnist5k"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_opens_with_its_source_and_comments_every_setting(path):
    first, _, *settings = path.read_text().splitlines()
    assert first.startswith("# ")
    assert all(" # " in line or line.startswith("name: ") for line in settings)
