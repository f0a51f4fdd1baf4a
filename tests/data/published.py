"""Writes small random files in the formats in which the authors of data sets publish them, for the tests.

Each `write_...(root)` writes training and test images where torchvision looks for them.
"""

import gzip
import zipfile
from pathlib import Path

import numpy
from scipy.io import savemat

from tests.data.formats import idx_bytes, python2_pickle, write_files, write_tarball

FINE = tuple(f"fine {i}".replace(" ", "_") for i in range(100))
COARSE = tuple(f"coarse_{i}" for i in range(20))


def pixels(*shape: int, seed: int = 0) -> numpy.ndarray:
    return numpy.random.default_rng(seed).integers(0, 256, shape, dtype=numpy.uint8)


def cifar100_parts(count: int = 20) -> dict[str, dict]:
    return {name: {"data": pixels(count, 3072, seed=seed), "fine_labels": [(7 * i + seed) % 100 for i in range(count)],
                   "coarse_labels": [(3 * i + seed) % 20 for i in range(count)]}
            for seed, name in enumerate(("train", "test"))}


def cifar100_python_files() -> dict[str, bytes]:
    meta = {"fine_label_names": list(FINE), "coarse_label_names": list(COARSE)}
    return {name: python2_pickle(content) for name, content in (cifar100_parts() | {"meta": meta}).items()}


def cifar100_binary_files() -> dict[str, bytes]:
    files = {f"{name}.bin": b"".join(bytes((coarse, fine)) + row.tobytes() for coarse, fine, row in
                                     zip(part["coarse_labels"], part["fine_labels"], part["data"], strict=True))
             for name, part in cifar100_parts().items()}
    return files | {f"{kind}_label_names.txt": "\n".join(names).encode() + b"\n"
                    for kind, names in (("fine", FINE), ("coarse", COARSE))}


def write_cifar100(root: Path) -> None:
    write_files(root / "cifar-100-python", cifar100_python_files())


def write_cifar100_archive(root: Path) -> None:
    write_tarball(root / "cifar-100-python.tar.gz", "cifar-100-python", cifar100_python_files())


def write_svhn(root: Path, parts: tuple[str, ...] = ("train", "test"), compressed: bool = True) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for seed, part in enumerate(parts):
        labels = ((numpy.arange(24) + seed) % 10 + 1).astype(numpy.uint8).reshape(-1, 1)  # 10 is the digit 0
        savemat(root / f"{part}_32x32.mat", {"X": pixels(32, 32, 3, 24, seed=seed), "y": labels},
                do_compression=compressed)


def stl10_files(count: int = 20) -> dict[str, bytes]:
    files = {"class_names.txt": b"airplane\nbird\ncar\ncat\ndeer\ndog\nhorse\nmonkey\nship\ntruck\n"}
    for seed, part in enumerate(("train", "test", "unlabeled")):
        files[f"{part}_X.bin"] = pixels(count, 3, 96, 96, seed=seed).tobytes()
        if part != "unlabeled":
            files[f"{part}_y.bin"] = bytes((3 * i + seed) % 10 + 1 for i in range(count))
    return files


def write_stl10(root: Path) -> None:
    write_files(root / "stl10_binary", stl10_files())


def write_stl10_archive(root: Path) -> None:
    write_tarball(root / "stl10_binary.tar.gz", "stl10_binary", stl10_files())


def mnist_like_files(prefixes: dict[str, str], lowest: int = 0, classes: int = 10) -> dict[str, bytes]:
    """`prefixes`: what names begin with, by the split."""
    files = {}
    for seed, prefix in enumerate(prefixes.values()):
        labels = numpy.arange(30) % classes + lowest
        files[f"{prefix}-images-idx3-ubyte"] = idx_bytes(pixels(30, 28, 28, seed=seed))
        files[f"{prefix}-labels-idx1-ubyte"] = idx_bytes(labels.astype(numpy.uint8))
    return files


def kmnist_files() -> dict[str, bytes]:
    return mnist_like_files({"train": "train", "test": "t10k"})


def write_kmnist(root: Path) -> None:
    write_files(root / "KMNIST" / "raw", kmnist_files())


def write_kmnist_archives(root: Path) -> None:
    write_files(root, kmnist_files(), zipped=True)


def emnist_files(characters: str = "balanced") -> dict[str, bytes]:
    prefixes = {split: f"emnist-{characters}-{split}" for split in ("train", "test")}
    return mnist_like_files(prefixes, int(characters == "letters"), 10 if characters in ("digits", "mnist") else 26)


def write_emnist(root: Path, characters: str = "balanced") -> None:
    write_files(root / "EMNIST" / "raw", emnist_files(characters))


def write_emnist_archive(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "gzip.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in emnist_files().items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(content, mtime=0))
