"""make(): only classes of known packages and kinds, however deep they hide, and only with arguments they take."""

import pytest
import torch
from torch import nn

from saddlepoint import making
from saddlepoint.errors import RequestError

ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3}


@pytest.mark.parametrize("target", [
    "os.system", "builtins.eval", "subprocess.Popen", "torch.hub.load", "torch.load", "torch.os.system",
    "torchvision.datasets.utils.download_url", "torch.utils.data.Dataset.__class__", "saddlepoint.runs.checkpoint.Path",
    "pytorch_lightning.Trainer", "torch.serialization.os.system", "torchnot.Module", "nowhere.Thing", "", None, 7,
    "torchmetrics.image.fid.FrechetInceptionDistance", "torchvision.datasets.LSUNClass", "torchvision.datasets.CIFAR10",
    "pytorch_lightning.demos.mnist_datamodule.MNISTDataModule", "torch.nn.NoSuchLayer", "torch.nn.init.normal_",
])
def test_a_target_that_is_not_a_known_class_is_refused(target):
    with pytest.raises(RequestError, match="_target_"):
        making.make({"_target_": target}, object, "model.generator")


def test_a_hostile_target_inside_an_argument_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    hostile = {"_target_": "os.system", "command": f"touch {marker}"}
    for where in ({"lr": hostile}, {"betas": [0.5, hostile]}, {"foreach": {"deep": [hostile]}}):
        with pytest.raises(RequestError, match="os.system"):
            making.make(ADAM | where, torch.optim.Optimizer, "optimizer.generator")
    assert not marker.exists()


def test_a_class_that_may_unpickle_a_file_is_refused_inside_an_argument_too():
    hostile = {"_target_": "torchmetrics.image.fid.NoTrainInceptionV3"}
    with pytest.raises(RequestError, match="NoTrainInceptionV3 is refused: of torch, .* only classes of torch.nn, "):
        making.check_targets({"network": hostile}, "model.generator")


def test_such_a_class_is_refused_under_another_packages_name_too(monkeypatch):
    """As an extension's module has it that imports the class for itself."""
    from torchmetrics.image import fid
    monkeypatch.setattr(making, "Reexported", fid.NoTrainInceptionV3, raising=False)
    with pytest.raises(RequestError, match="saddlepoint.making.Reexported is refused: of torch,"):
        making.check_targets({"_target_": "saddlepoint.making.Reexported"}, "model.generator")


@pytest.mark.parametrize("key", ["_args_", "_recursive_", "_convert_", "_class_path"])
def test_other_steering_keys_are_refused(key):
    with pytest.raises(RequestError, match=key):
        making.make(ADAM | {key: []}, torch.optim.Optimizer, "optimizer.generator")


def test_a_class_of_the_wrong_kind_is_refused():
    with pytest.raises(RequestError, match="model.generator._target_=torch.optim.Adam must be a Module"):
        making.make(ADAM, nn.Module, "model.generator")


def test_a_misspelt_argument_is_refused_with_the_nearest():
    with pytest.raises(RequestError, match="weight_decoy is not a setting of Adam: did you mean weight_"):
        making.make(ADAM | {"weight_decoy": 0.1}, torch.optim.Optimizer, "optimizer.generator")


def test_arguments_include_those_handed_on_to_a_base_class():
    from saddlepoint.data.sources.mnist5k import MNIST5k
    assert {"fit", "batch_size", "seed"} <= making.arguments(MNIST5k)
