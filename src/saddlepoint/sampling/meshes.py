"""Surfaces of shapes as triangles, in files that programs for three dimensions read.

V corners, F triangles. A shape of S x S x S voxels lies in the cube from 0 to 1.
"""

from pathlib import Path
from typing import NamedTuple

import numpy

from saddlepoint.errors import RequestError
from saddlepoint.files.atomic import write_atomically

FORMATS = ("obj", "ply")


class Mesh(NamedTuple):
    """A surface of triangles.

    corners: [V, 3] float, as x (width), y (height, upwards) and z (towards the viewer)
    triangles: [F, 3] int, the numbers of their corners from 0, counter-clockwise as seen from outside
    """

    corners: numpy.ndarray
    triangles: numpy.ndarray


def surface(voxels: numpy.ndarray, threshold: float) -> Mesh | None:
    """Returns where a shape, float [S, S, S] from 0 to 1, crosses the threshold, by marching cubes; None if it does so
    nowhere.

    Lewiner et al. 2003 as scikit-image has it:
    https://scikit-image.org/docs/stable/api/skimage.measure.html#skimage.measure.marching_cubes
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise RequestError("mesh=obj and mesh=ply need scikit-image, which is not installed: pip install "
                           "'saddlepoint[voxels]', or leave mesh= out") from error
    around = numpy.pad(voxels.astype(numpy.float32), 1)  # a surface is closed where a shape touches the cube's border
    if not around.max() > threshold:
        return None
    places, triangles, _, _ = marching_cubes(around, threshold)
    depth, height, width = (places.T - 0.5) / len(voxels)  # a voxel's value is that of its centre
    return Mesh(numpy.stack([width, 1 - height, 1 - depth], 1), triangles)


def write(path: Path, mesh: Mesh) -> None:
    """Writes a surface as .obj (Wavefront) or .ply (Stanford, ASCII), as the ending says."""
    content = (obj if path.suffix == ".obj" else ply)(mesh).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durably=False)


def obj(mesh: Mesh) -> str:
    """Returns the content of an .obj file, whose corners count from 1."""
    return "\n".join([*(f"v {x:.6g} {y:.6g} {z:.6g}" for x, y, z in mesh.corners),
                      *(f"f {a} {b} {c}" for a, b, c in mesh.triangles + 1), ""])


def ply(mesh: Mesh) -> str:
    """Returns the content of a .ply file, whose corners count from 0."""
    head = ["ply", "format ascii 1.0", f"element vertex {len(mesh.corners)}",
            *(f"property float {axis}" for axis in "xyz"), f"element face {len(mesh.triangles)}",
            "property list uchar int vertex_indices", "end_header"]
    return "\n".join([*head, *(f"{x:.6g} {y:.6g} {z:.6g}" for x, y, z in mesh.corners),
                      *(f"3 {a} {b} {c}" for a, b, c in mesh.triangles), ""])
