"""basicsr through its adapter. Python 3.13 cannot have basicsr: there the first test below is about its refusal."""

import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest
import tensorboard.version
import torch
import torchvision
from packaging.requirements import Requirement
from packaging.version import Version

from saddlepoint.compat import basicsr
from saddlepoint.errors import RequestError

REMOVED = "torchvision.transforms.functional_tensor"


def installed_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def is_unmet(requirement: Requirement) -> bool:
    version = installed_version(requirement.name)
    return version is None or not requirement.specifier.contains(version, prereleases=True)


if sys.version_info >= basicsr.FIRST_PYTHON_WITHOUT:

    def test_this_python_is_told_that_it_cannot_have_basicsr():
        with pytest.raises(RequestError, match=r"which Python 3\.\d+ cannot build: use Python 3\.11 or 3\.12$"):
            basicsr.module("archs.rrdbnet_arch")

else:

    def test_esrgan_generator_has_the_parameters_its_convolutions_add_up_to():
        def convolution(inputs, outputs):
            return 9 * inputs * outputs + outputs

        dense_block = sum(convolution(64 + 32 * i, 32) for i in range(4)) + convolution(64 + 32 * 4, 64)
        upsampling_and_last = 4 * convolution(64, 64)  # after the trunk, two upsamplings, high resolution
        expected = convolution(3, 64) + 23 * 3 * dense_block + upsampling_and_last + convolution(64, 3)

        with torch.device("meta"):
            generator = basicsr.module("archs.rrdbnet_arch").RRDBNet(3, 3, num_feat=64, num_block=23)

        assert sum(parameter.numel() for parameter in generator.parameters()) == expected == 16_697_987

    def test_the_function_basicsr_takes_from_the_removed_module_is_torchvisions():
        degradations = basicsr.module("data.degradations")
        assert degradations.rgb_to_grayscale is torchvision.transforms.functional.rgb_to_grayscale

    def test_importing_basicsr_leaves_torchvision_and_the_random_numbers_as_they_were():
        before_and_after = f"""if True:
            import sys, torch, torchvision
            from saddlepoint.compat import basicsr
            before = set(dir(torchvision.transforms)), torch.initial_seed(), torch.get_rng_state().tolist()
            basicsr.module("archs.rrdbnet_arch")
            after = set(dir(torchvision.transforms)), torch.initial_seed(), torch.get_rng_state().tolist()
            assert before == after
            assert {REMOVED!r} not in sys.modules
            red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
            torch.testing.assert_close(torchvision.transforms.Grayscale()(red), torch.full((1, 1, 1), 0.2989))"""
        subprocess.run([sys.executable, "-c", before_and_after], check=True)

    def test_the_installed_basicsr_is_the_one_adapted_and_lacks_only_what_was_left_out():
        """tb-nightly would overwrite tensorboard; opencv-python-headless is OpenCV without its windows."""
        unmet = filter(is_unmet, map(Requirement, metadata.requires("basicsr")))
        assert installed_version("basicsr") == basicsr.VERSION
        assert {requirement.name for requirement in unmet} == {"tb-nightly", "opencv-python"}


def test_missing_basicsr_is_one_sentence_that_says_what_to_run(monkeypatch):
    monkeypatch.setitem(sys.modules, "basicsr", None)  # as if it could not be found
    monkeypatch.setattr(basicsr, "sys", SimpleNamespace(version_info=(3, 12, 1)))
    with pytest.raises(RequestError) as refusal:
        basicsr.module("archs.rrdbnet_arch", needed_by="model=esrgan")
    assert str(refusal.value) == (
        f"model=esrgan needs basicsr {basicsr.VERSION}, which is not installed: type pip install setuptools wheel "
        "'saddlepoint[super-resolution]', then pip install --use-pep517 --no-deps --no-build-isolation "
        f"basicsr=={basicsr.VERSION}")


def test_python_3_13_is_told_which_pythons_can_have_basicsr(monkeypatch):
    monkeypatch.setitem(sys.modules, "basicsr", None)
    monkeypatch.setattr(basicsr, "sys", SimpleNamespace(version_info=(3, 13, 0)))
    with pytest.raises(RequestError) as refusal:
        basicsr.module("archs.rrdbnet_arch")
    assert str(refusal.value) == (
        f"this needs basicsr {basicsr.VERSION}, which Python 3.13 cannot build: use Python 3.11 or 3.12")


def test_the_adapter_itself_imports_neither_basicsr_nor_torch():
    heavy = "import sys, saddlepoint.compat.basicsr; print({'basicsr', 'torch', 'torchvision', 'cv2'} & {*sys.modules})"
    printed = subprocess.run([sys.executable, "-c", heavy], check=True, capture_output=True, text=True).stdout
    assert printed == "set()\n"


def test_tensorboard_on_disk_is_the_stable_release():
    on_disk = Version(tensorboard.version.VERSION)
    assert on_disk == Version(metadata.version("tensorboard"))
    assert not on_disk.is_prerelease
    assert installed_version("tb-nightly") is None
