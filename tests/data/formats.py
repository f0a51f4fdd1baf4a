"""Writes small random files in the formats of real data sets, for the tests."""

import functools
import gzip
import http.server
import io
import pickle
import struct
import tarfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
from PIL import Image

CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def idx_bytes(values: numpy.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(numpy.uint8).tobytes()


def write_idx(root: Path, count: int = 30, size: int = 28, prefix: str = "train", zipped: bool = True, dash: str = "-",
              seed: int = 0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Writes and returns images and labels (0 to 9 in turn) of a set like MNIST; `prefix` is train or t10k."""
    root.mkdir(parents=True, exist_ok=True)
    images = numpy.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=numpy.uint8)
    labels = (numpy.arange(count) % 10).astype(numpy.uint8)
    for kind, values in ((f"images{dash}idx3", images), (f"labels{dash}idx1", labels)):
        content = idx_bytes(values)
        name = f"{prefix}-{kind}-ubyte" + (".gz" if zipped else "")
        (root / name).write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    return images, labels


class Python2Pickler(pickle._Pickler):
    """Protocol 2 as Python 2 wrote it: each string is a byte string, and numpy's modules have their former names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_byte_string(self, value: bytes | str) -> None:
        value = value.encode("latin1") if isinstance(value, str) else value
        short = len(value) < 256
        self.write((pickle.SHORT_BINSTRING if short else pickle.BINSTRING)
                   + struct.pack("<B" if short else "<i", len(value)) + value)
        self.memoize(value)

    def save_global(self, value: object, name: str | None = None) -> None:
        module = value.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{value.__name__}\n".encode())
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_byte_string
    dispatch[type] = dispatch[type(len)] = save_global


def python2_pickle(value: object) -> bytes:
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue()


def cifar10_parts(images_per_batch: int, seed: int = 0) -> dict[str, tuple[numpy.ndarray, list[int]]]:
    """Returns random pixels [N, 3072] and labels for each file name."""
    random = numpy.random.default_rng(seed)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    return {name: (random.integers(0, 256, (images_per_batch, 3072), dtype=numpy.uint8),
                   [i % 10 for i in range(images_per_batch)]) for name in names}


def cifar10_python_files(parts: dict, dumps=python2_pickle) -> dict[str, bytes]:
    files = {name: dumps({"data": pixels, "labels": labels, "batch_label": f"batch {name}",
                          "filenames": [f"{i}.png" for i in range(len(labels))]})
             for name, (pixels, labels) in parts.items()}
    return files | {"batches.meta": dumps({"num_cases_per_batch": len(parts["test_batch"][1]),
                                           "label_names": list(CIFAR_CLASSES), "num_vis": 3072})}


def cifar10_binary_files(parts: dict) -> dict[str, bytes]:
    files = {f"{name}.bin": b"".join(bytes([label]) + row.tobytes() for row, label in zip(pixels, labels, strict=True))
             for name, (pixels, labels) in parts.items()}
    return files | {"batches.meta.txt": ("\n".join(CIFAR_CLASSES) + "\n\n").encode()}


def write_files(root: Path, files: dict[str, bytes], zipped: bool = False) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / (name + ".gz" if zipped else name)).write_bytes(gzip.compress(content, mtime=0) if zipped else content)


def write_tarball(path: Path, folder: str, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_cifar10(root: Path, images_per_batch: int = 20, seed: int = 0) -> dict[str, tuple[numpy.ndarray, list[int]]]:
    """Writes the Python batches where torchvision puts them, in root/cifar-10-batches-py, and returns their content."""
    parts = cifar10_parts(images_per_batch, seed)
    write_files(root / "cifar-10-batches-py", cifar10_python_files(parts))
    return parts


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Returns an RGB image that is smooth, as photographs are: noise of 4 x 4 pixels, enlarged."""
    coarse = numpy.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=numpy.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def png_bytes(values: numpy.ndarray, colour_type: int, bits: int, width: int) -> bytes:
    """Returns a PNG of `width` pixels from rows [H, W x channels]; below 8 bits, from rows of packed bytes."""
    rows = values.astype(">u2") if bits == 16 else values.astype(numpy.uint8)
    header = struct.pack(">2I5B", width, len(rows), bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 9)
    chunks = (b"IHDR" + header, b"IDAT" + pixels, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)


def bomb(side: int) -> bytes:
    """Returns a PNG of a few kilobytes with side x side black pixels of one bit."""
    return png_bytes(numpy.zeros((side, side // 8)), colour_type=0, bits=1, width=side)


def write_photo_folder(root: Path, count: int = 8, width: int = 40, height: int = 32, classes: tuple[str, ...] = (),
                       ending: str = "png") -> list[Path]:
    """Writes `count` images into `root`, or into each of its class folders, and returns their paths."""
    paths = []
    for folder in [root / name for name in classes] or [root]:
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            paths.append(folder / f"photo {i:03}.{ending}")
            photo(width, height, seed=len(paths)).save(paths[-1])
    return paths


def write_voxels(root: Path, count: int = 16, edge: int = 6) -> None:
    """Writes shapes of random voxels into a file of a folder, fewer along an edge than the tests ask for."""
    root.mkdir(parents=True)
    numpy.save(root / "shapes.npy", numpy.random.default_rng(0).random((count, edge, edge, edge)) > 0.5)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves the files of `folder` on this machine and yields their address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None: ...


def write_latents(folder: Path, count: int = 8, channels: int = 4, side: int = 16,
                  name: str = "latents.npy") -> numpy.ndarray:
    """Writes numbers of another mean and standard deviation in each channel; returns the array."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = numpy.random.default_rng(0).standard_normal((count, channels, side, side))
    places = numpy.arange(channels)[:, None, None]
    array = ((1 + places) * numbers + 10 * places).astype(numpy.float32)
    numpy.save(folder / name, array)
    return array
