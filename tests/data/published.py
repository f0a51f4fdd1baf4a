"""Writes small random files in the formats in which the authors of data sets publish them, for the tests.

Each `write_...(root)` writes training and test images where torchvision looks for them.
"""

import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import lmdb
import numpy
from scipy.io import savemat

from tests.data.formats import idx_bytes, photo, python2_pickle, write_files, write_tarball

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
    write_zip(root / "gzip.zip", {f"gzip/{name}.gz": gzip.compress(content, mtime=0)
                                  for name, content in emnist_files().items()})


CELEBA_SIZE = (178, 218)
CELEBA_ATTRIBUTES = tuple(f"Attribute_{i}" for i in range(38)) + ("Male", "Smiling")


def celeba_lists(count: int = 12) -> dict[str, str]:
    """The authors' lists of `count` images; those of boxes and landmarks too, which torchvision wants."""
    names = [f"{i:06}.jpg" for i in range(1, count + 1)]
    has = numpy.random.default_rng(3).integers(0, 2, (count, 40)) * 2 - 1
    rows = {name: "  ".join(f"{value:2}" for value in row) for name, row in zip(names, has, strict=True)}
    four, ten = ("\n".join(f"{name} {' '.join(['1'] * columns)}" for name in names) for columns in (4, 10))
    return {"list_eval_partition.txt": "".join(f"{name} {i % 3}\n" for i, name in enumerate(names)),
            "list_attr_celeba.txt": f"{count}\n{' '.join(CELEBA_ATTRIBUTES)} \n"
                                    + "".join(f"{name} {row}\n" for name, row in rows.items()),
            "identity_CelebA.txt": "".join(f"{name} {i}\n" for i, name in enumerate(names)),
            "list_bbox_celeba.txt": f"{count}\nimage_id x y w h\n{four}\n",
            "list_landmarks_align_celeba.txt": f"{count}\n{' '.join('xy' * 5)}\n{ten}\n"}


def encoded(width: int, height: int, seed: int, kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    photo(width, height, seed).save(stream, kind)
    return stream.getvalue()


def write_celeba(root: Path, count: int = 12, lists: dict[str, str] | None = None, zipped: bool = False) -> None:
    """Writes the images, in an archive or not, and lists where torchvision looks for them."""
    folder = root / "celeba"
    write_files(folder, {name: text.encode() for name, text in (lists or celeba_lists(count)).items()})
    images = {f"{i:06}.jpg": encoded(*CELEBA_SIZE, seed=i) for i in range(1, count + 1)}
    if zipped:
        write_zip(folder / "img_align_celeba.zip", {f"img_align_celeba/{name}": each for name, each in images.items()})
    else:
        write_files(folder / "img_align_celeba", images)


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def tiny_imagenet_files(classes: int = 3, images: int = 4, size: int = 16) -> dict[str, bytes]:
    """Images of a few of the 200 classes, which is quicker."""
    wnids = [f"n{1000 + 7 * i:08}" for i in range(200)]
    names = ["goldfish, Carassius auratus", "crane", "crane", *(f"word {i}" for i in range(197))]
    files = {"wnids.txt": "\n".join(reversed(wnids)), "words.txt": "".join(
        f"{wnid}\t{name}\n" for wnid, name in zip(["n00000001", *wnids], ["entity", *names], strict=True))}
    annotations = []
    for number, wnid in enumerate(wnids[:classes]):
        for i in range(images):
            files[f"train/{wnid}/images/{wnid}_{i}.JPEG"] = encoded(size, size, seed=100 * number + i)
        files[f"train/{wnid}/{wnid}_boxes.txt"] = "".join(f"{wnid}_{i}.JPEG\t0\t0\t9\t9\n" for i in range(images))
        files[f"val/images/val_{number}.JPEG"] = encoded(size, size, seed=1000 + number)
        annotations.append(f"val_{number}.JPEG\t{wnids[classes - 1 - number]}\t0\t0\t9\t9\n")
    files["val/val_annotations.txt"] = "".join(annotations)
    files["test/images/test_0.JPEG"] = encoded(size, size, seed=2000)
    return {name: content.encode() if isinstance(content, str) else content for name, content in files.items()}


def write_tree(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def write_tiny_imagenet(root: Path) -> None:
    write_tree(root / "tiny-imagenet-200", tiny_imagenet_files())


def write_tiny_imagenet_archive(root: Path) -> None:
    write_zip(root / "tiny-imagenet-200.zip", {f"tiny-imagenet-200/{name}": content
                                               for name, content in tiny_imagenet_files().items()})


def write_lsun(root: Path, categories: dict[str, int] | None = None, size: tuple[int, int] = (40, 32)) -> None:
    """Writes so many images of each database, webp as the genuine ones."""
    for number, (name, count) in enumerate((categories or {"bedroom_train": 6, "bedroom_val": 3}).items()):
        images = {hashlib.sha1(f"{name} {i}".encode()).hexdigest().encode(): encoded(*size, 50 * number + i, "WEBP")
                  for i in range(count)}
        write_lmdb(root / f"{name}_lmdb", images)


def write_lmdb(folder: Path, values: dict[bytes, bytes]) -> None:
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as database, database.begin(write=True) as change:
        for key, value in values.items():
            change.put(key, value)
