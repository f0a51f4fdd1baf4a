"""Makes an archive of a folder of images, for saddlepoint-prepare."""

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from saddlepoint.config.spelling import word
from saddlepoint.config.typed_paths import expanded
from saddlepoint.data import class_folders, describing
from saddlepoint.data.decoding import Limits, Unreadable, header_of
from saddlepoint.data.listing import ImageFile
from saddlepoint.environment import revision, versions
from saddlepoint.errors import DiskFull, RequestError
from saddlepoint.files.disk_space import in_megabytes
from saddlepoint.files.outputs import is_taken, require_writable
from saddlepoint.preparing.encoding import Encoded, Encoder, Workers
from saddlepoint.preparing.framing import Framing, Sides
from saddlepoint.preparing.labels import Labels, labels_of
from saddlepoint.preparing.sources import folder_of, images_of, limits_of, workers_of
from saddlepoint.preparing.unfinished import UnfinishedZip
from saddlepoint.progress.bars import make_bar

Settings = Mapping[str, Any]
QUALITY = 95  # of jpg, unless quality= says otherwise
MOST_NAMED = 100  # files left out that the record names
LINE_SECONDS = 10.0  # between two lines of progress, where there is no terminal
OF_IMAGES = ("resize", "crop", "filter", "format", "white", "max_pixels")  # settings on which the images depend


def prepare(settings: Settings) -> Path:
    """Makes the archive, prints what is in it, and returns its path. Raises a RequestError before the first image is
    read if the request cannot be met."""
    refuse_contradictions(settings)
    root = folder_of(settings, "input")
    target = output_path(settings)
    files = images_of(root, settings, "input").files
    labels = labels_of(files, root, settings["labels"])
    tell_of_folders(files, root, settings["labels"])
    started = time.monotonic()
    with telling_how_to_go_on(target), Workers(workers_of(settings)) as workers:
        channels = settings["channels"] or channels_of(files, limits_of(settings), workers)
        encoder = encoder_of(settings, channels)
        recipe = {"files": digest_of(files), "channels": channels, "labels": digest_of_labels(labels),
                  **settings_of_images(settings), "versions": versions_of_images()}
        with UnfinishedZip(target, recipe, encoder.kind, labels.of_files).opened() as archive:
            if archive.done:
                print(f"going on with {target}: {archive.done:,} of {len(files):,} files are done", file=sys.stderr)
            size = fill(archive, files, encoder, workers)
            archive.finish(record_of(settings, root, files, archive, labels, channels, size))
    tell(target, files, archive, labels, channels, size, time.monotonic() - started)
    return target


@contextmanager
def telling_how_to_go_on(target: Path) -> Iterator[None]:
    """Says, where the user or a full disk ends the block, that what was done is not lost."""
    try:
        yield
    except DiskFull as full:
        raise DiskFull(f"{full}. Make room and type the same again: it goes on from here") from full
    except KeyboardInterrupt:
        print(f"{target} is not finished: type the same again, and it goes on from here", file=sys.stderr)
        raise


def refuse_contradictions(settings: Settings) -> None:
    if settings["quality"] and settings["format"] != "jpg":
        raise RequestError(f"quality={settings['quality']} is of JPEG files: add format=jpg, or leave quality= out")
    if settings["image_size"] is None:
        for name, default in (("resize", "short_side"), ("crop", "center"), ("filter", "bicubic")):
            if settings[name] not in (default, "none"):
                raise RequestError(f"{name}={settings[name]} says how images get their size: add image_size=, e.g. "
                                   "image_size=64")
    elif settings["resize"] == "short_side" and settings["crop"] == "none":
        raise RequestError("crop=none with resize=short_side leaves images of different sizes: type crop=center, or "
                           "resize=stretch")


def output_path(settings: Settings) -> Path:
    """Returns the path of output=; refuses one that is taken, that is no .zip, or that cannot be written."""
    if not settings["output"]:
        raise RequestError("output is not set: name the archive, e.g. output=photos.zip")
    target = expanded(settings["output"], "output")
    if target.suffix.lower() != ".zip":
        raise RequestError(f"output={target} must be a zip archive: type {word(f'output={target}.zip')}")
    if is_taken(target) and not settings["overwrite"]:
        raise RequestError(f"output={target} exists: choose another file or add overwrite=true")
    require_writable(target, f"output={target}")
    return target


def tell_of_folders(files: Sequence[ImageFile], root: Path, labels: str) -> None:
    """Says that images lie in folders, if these may be classes or parts and nobody asked for labels."""
    folders = class_folders.names([file.name for file in files])
    if labels != "none" or len(folders) < 2:
        return
    if class_folders.are_parts(folders):
        inside = word(f"input={root / class_folders.first_part(folders)}")
        print(f"note: images of all parts go into one archive ({describing.listed(list(folders))}); those of one: "
              f"{inside}", file=sys.stderr)
    elif all("/" in file.name for file in files):
        print(f"note: the archive has no labels; labels=folders makes classes of the {len(folders)} folders "
              f"({describing.listed(list(folders), 3)})", file=sys.stderr)


def channels_of(files: Sequence[ImageFile], limits: Limits, workers: Workers) -> int:
    """Returns 3 if a file has colours, else 1. Looks at headers until it finds one that has."""
    look = partial(channels_in_header, limits=limits)
    return 3 if 3 in workers.each(look, [file.path for file in files]) else 1


def channels_in_header(path: Path, limits: Limits) -> int:
    """Returns 1 (grey) or 3; 1 for a file that cannot be read, which the archive will not have."""
    try:
        return header_of(path, limits).channels
    except (Unreadable, OSError):
        return 1


def encoder_of(settings: Settings, channels: int) -> Encoder:
    framing = None
    if settings["image_size"] is not None:
        framing = Framing(sides_of(settings["image_size"]), *(settings[name] for name in ("resize", "crop", "filter")))
    return Encoder(channels, framing, settings["format"], settings["quality"] or QUALITY, limits_of(settings))


def sides_of(image_size: int | Sequence[int]) -> Sides:
    return (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)


def digest_of(files: Sequence[ImageFile]) -> str:
    """Returns a digest of the files' names, sizes and times of change."""
    digest = hashlib.sha256()
    for file in files:
        try:
            status = file.path.stat()
            state = status.st_size, status.st_mtime_ns
        except OSError:
            state = None
        digest.update(repr((file.name, state)).encode(errors="surrogateescape"))
    return digest.hexdigest()


def digest_of_labels(labels: Labels) -> str:
    return hashlib.sha256(repr(labels).encode(errors="surrogateescape")).hexdigest()


def settings_of_images(settings: Settings) -> dict[str, Any]:
    """Returns the settings on which the images depend; null for those that say nothing here."""
    kept = {"image_size": settings["image_size"], **{name: settings[name] for name in OF_IMAGES}}
    if settings["image_size"] is None:
        kept |= {"resize": "none", "crop": "none", "filter": None}
    elif settings["resize"] == "none":
        kept["filter"] = None
    elif settings["resize"] == "stretch":
        kept["crop"] = "none"
    return kept | {"quality": (settings["quality"] or QUALITY) if settings["format"] == "jpg" else None}


def versions_of_images() -> dict[str, str]:
    """Returns the versions of the packages on which the images depend."""
    return {name: versions()[name] for name in ("saddlepoint", "pillow", "numpy")}


def fill(archive: UnfinishedZip, files: Sequence[ImageFile], encoder: Encoder,
         workers: Workers) -> tuple[int, int] | None:
    """Encodes the files that are not done yet and appends them. Returns width and height of all images. Raises a
    RequestError if they differ, which they can only where none were typed, or if there is no image."""
    rest = files[archive.done:]
    size, example = archive_size(archive, files, encoder), None
    time_of_line = time.monotonic()
    with make_bar(total=len(files), initial=archive.done, desc="prepared", unit=" files", unit_scale=True) as bar:
        for file, image in zip(rest, workers.each(encoder, [file.path for file in rest]), strict=True):
            if image.reason:
                archive.leave_out(image.reason)
            else:
                size, example = size or image.size, example or file.name
                refuse_other_size(file, image, size, example)
                archive.add(image.content)
            bar.update()
            if bar.disable and time.monotonic() - time_of_line >= LINE_SECONDS:
                time_of_line = time.monotonic()
                print(f"prepared: {archive.done:,} of {len(files):,} files", file=sys.stderr, flush=True)
    if not archive.count:
        number, reason = archive.left_out[0]
        raise RequestError(f"input has no image that can be used: {files[number].path}: {reason}")
    return size


def archive_size(archive: UnfinishedZip, files: Sequence[ImageFile], encoder: Encoder) -> tuple[int, int] | None:
    """Returns width and height of the images that are in the archive already; None if there are none."""
    left_out = dict(archive.left_out)
    first = next((number for number in range(archive.done) if number not in left_out), None)
    return None if first is None else encoder(files[first].path).size


def refuse_other_size(file: ImageFile, image: Encoded, size: tuple[int, int], example: str) -> None:
    if image.size != size:
        raise RequestError(f"The images must have one size: {example} is {size[0]} x {size[1]} and {file.name} is "
                           f"{image.size[0]} x {image.size[1]}. Type image_size={min(*size, *image.size)} to bring all "
                           "to one")


def record_of(settings: Settings, root: Path, files: Sequence[ImageFile], archive: UnfinishedZip, labels: Labels,
              channels: int, size: tuple[int, int]) -> dict[str, Any]:
    """Returns how the archive was made, as it stands in its saddlepoint.json. The same files and settings give the same
    record: it has no date and no place."""
    return {"made_by": "saddlepoint-prepare", "input": root.resolve().name, "files": len(files),
            "images": archive.count, "width": size[0], "height": size[1], "channels": channels,
            "settings": {**settings_of_images(settings), "labels": settings["labels"]},
            "class_names": list(labels.class_names),
            "left_out": {"count": len(archive.left_out), "files": {
                files[number].name: reason for number, reason in archive.left_out[:MOST_NAMED]}},
            "versions": versions_of_images(), "revision": revision()}


def tell(target: Path, files: Sequence[ImageFile], archive: UnfinishedZip, labels: Labels, channels: int,
         size: tuple[int, int], seconds: float) -> None:
    """Prints what is in the archive and what is not."""
    left_out = dict(archive.left_out)
    counts = dict.fromkeys(labels.class_names, 0)
    if labels.class_names:
        used = Counter(labels.of_files[number] for number in range(len(files)) if number not in left_out)
        counts = {name: used[number] for number, name in enumerate(labels.class_names)}
    kind = "grey" if channels == 1 else "RGB"
    print(f"{archive.count:,} images of {size[0]} x {size[1]} pixels, {kind}{describing.classes(counts)}: {target} "
          f"({in_megabytes(target.stat().st_size)}, {seconds:.1f} s)")
    if left_out:
        names = describing.listed([f"{files[number].name}: {reason}" for number, reason in left_out.items()], 3)
        print(f"left out: {describing.counted(len(left_out), 'file')}, which saddlepoint.json in the archive names: "
              f"{names}", file=sys.stderr)
