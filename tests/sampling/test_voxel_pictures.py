"""Pictures of voxels against the silhouettes and distances of known shapes, and meshes against known surfaces."""

import math

import numpy
import pytest
import torch

from saddlepoint.errors import RequestError
from saddlepoint.sampling import meshes
from saddlepoint.sampling.voxel_pictures import BACKGROUND, FROM_A_CORNER, View, normals, pictures_of, rays, render

EDGE, PIXELS, IN_FRONT = 16, 64, View(0, 0)
PER_VOXEL = PIXELS / (EDGE * math.sqrt(3))  # pixels


def cube(*slices: slice) -> numpy.ndarray:
    full = numpy.zeros((EDGE, EDGE, EDGE), bool)
    full[slices or slice(None)] = True
    return full


def ball(radius: float, edge: int = EDGE) -> numpy.ndarray:
    places = numpy.indices((edge, edge, edge)) - (edge - 1) / 2
    return (places**2).sum(0) <= radius**2


@pytest.mark.parametrize("view", [IN_FRONT, FROM_A_CORNER, View(200, -40)])
def test_a_view_has_three_directions_at_right_angles(view):
    numpy.testing.assert_allclose(view.axes @ view.axes.T, numpy.eye(3), atol=1e-12)


def test_nothing_is_background():
    assert (render(cube(slice(0, 0)), pixels=PIXELS) == BACKGROUND).all()


def test_a_box_in_front_is_a_rectangle_at_its_place():
    """Rows are heights, downwards, and columns are widths."""
    shown = render(cube(slice(2, 9), slice(0, 8), slice(4, 16)), IN_FRONT, PIXELS) != BACKGROUND
    rows, columns = (numpy.flatnonzero(shown.any(axis)) for axis in (1, 0))
    assert shown[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1].all()
    for found, (first, last) in ((rows, (0, 8)), (columns, (4, 16))):
        assert found[0] == pytest.approx(PIXELS / 2 + (first - EDGE / 2) * PER_VOXEL, abs=1)
        assert found[-1] + 1 == pytest.approx(PIXELS / 2 + (last - EDGE / 2) * PER_VOXEL, abs=1)


@pytest.mark.parametrize("view", [IN_FRONT, FROM_A_CORNER, View(120, 60)])
def test_a_ball_covers_the_area_of_its_circle_from_everywhere(view):
    shown = render(ball(20, edge=48), view, 96) != BACKGROUND
    assert shown.sum() == pytest.approx(math.pi * (20 * 96 / (48 * math.sqrt(3))) ** 2, rel=0.06)


def test_a_cube_from_a_corner_covers_the_area_of_its_three_faces():
    """The projection of a unit cube along a direction n has the area |n_1| + |n_2| + |n_3|."""
    shown = render(cube(), FROM_A_CORNER, 96) != BACKGROUND
    expected = abs(FROM_A_CORNER.axes[2]).sum() * (96 / math.sqrt(3)) ** 2
    assert shown.sum() == pytest.approx(expected, rel=0.02)
    assert len({*render(cube(), FROM_A_CORNER, 96)[::8, ::8].ravel().tolist()}) > 3  # top and two sides differ


def test_what_is_nearer_hides_what_is_behind_and_is_brighter():
    near, far = cube(slice(2, 4)), cube(slice(12, 14))
    both = render(near | far, IN_FRONT, PIXELS)
    numpy.testing.assert_array_equal(both, render(near, IN_FRONT, PIXELS))
    middle = PIXELS // 2, PIXELS // 2
    assert both[middle] > render(far, IN_FRONT, PIXELS)[middle] > BACKGROUND


def test_rays_meet_voxels_from_the_nearest_on_and_none_outside():
    numbers = rays(EDGE, IN_FRONT, PIXELS)[:, PIXELS * (PIXELS // 2) + PIXELS // 2]
    depths = numbers[numbers < EDGE**3] // EDGE**2
    assert {*depths.tolist()} == {*range(EDGE)} and (numpy.diff(depths) >= 0).all()
    assert (rays(EDGE, IN_FRONT, PIXELS)[:, 0] == EDGE**3).all()  # the corner of the picture


def test_normals_of_a_ball_point_outwards():
    full, places = ball(6.5), numpy.indices((EDGE, EDGE, EDGE)) - (EDGE - 1) / 2
    at_surface = full & ~ball(5.5)
    outwards = (places / numpy.linalg.norm(places, axis=0))[:, at_surface].T
    assert ((normals(full)[at_surface] * outwards).sum(1) > 0.9).all()


def test_pictures_show_what_is_above_the_threshold():
    shapes = torch.full((2, 1, EDGE, EDGE, EDGE), 0.4)
    shapes[1, 0, :8] = 0.6
    empty, half = pictures_of(shapes, threshold=0.5, pixels=PIXELS)
    assert (empty == BACKGROUND).all() and (half != BACKGROUND).any()
    assert (pictures_of(shapes, threshold=0.3, pixels=PIXELS)[0] != BACKGROUND).any()


def area_and_volume(mesh: meshes.Mesh) -> tuple[float, float]:
    """The volume by the divergence theorem: positive if all triangles turn the right way round."""
    a, b, c = (mesh.corners[mesh.triangles[:, number]] for number in range(3))
    across = numpy.cross(b - a, c - a)
    return numpy.linalg.norm(across, axis=1).sum() / 2, (a * across).sum() / 6


def test_the_surface_of_a_ball_has_its_area_and_volume():
    edge, radius = 32, 11.0
    places = numpy.indices((edge, edge, edge)) - (edge - 1) / 2
    soft = 1 / (1 + numpy.exp(numpy.linalg.norm(places, axis=0) - radius))  # 0.5 at the radius
    mesh = meshes.surface(soft, 0.5)
    area, volume = area_and_volume(mesh)
    assert area == pytest.approx(4 * math.pi * (radius / edge) ** 2, rel=0.03)
    assert volume == pytest.approx(4 / 3 * math.pi * (radius / edge) ** 3, rel=0.03)
    numpy.testing.assert_allclose((mesh.corners.min(0) + mesh.corners.max(0)) / 2, 0.5, atol=1e-3)


def test_a_full_cube_is_closed_and_axes_are_width_height_upwards_and_towards_the_viewer():
    area, volume = area_and_volume(meshes.surface(cube().astype(float), 0.5))
    assert volume == pytest.approx(1, rel=0.02) and area == pytest.approx(6, rel=0.05)
    middle = meshes.surface(cube(slice(0, 4), slice(0, 4), slice(12, 16)).astype(float), 0.5).corners.mean(0)
    numpy.testing.assert_allclose(middle, [14 / 16, 14 / 16, 14 / 16], atol=0.02)  # right, above, near


def test_nothing_has_no_surface():
    assert meshes.surface(numpy.zeros((4, 4, 4)), 0.5) is None


def test_files_have_the_corners_and_triangles(tmp_path):
    mesh = meshes.Mesh(numpy.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.5]]), numpy.array([[0, 1, 2], [0, 2, 3]]))
    meshes.write(tmp_path / "shape.obj", mesh)
    meshes.write(tmp_path / "shape.ply", mesh)
    assert (tmp_path / "shape.obj").read_text().splitlines() == [
        "v 0 0 0", "v 1 0 0", "v 0 1 0", "v 0 0 1.5", "f 1 2 3", "f 1 3 4"]
    head, _, body = (tmp_path / "shape.ply").read_text().partition("end_header\n")
    assert "element vertex 4" in head and "element face 2" in head and "format ascii 1.0" in head
    assert body.splitlines() == ["0 0 0", "1 0 0", "0 1 0", "0 0 1.5", "3 0 1 2", "3 0 2 3"]


def test_without_scikit_image_meshes_are_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.measure", None)
    with pytest.raises(RequestError, match=r"need scikit-image.*pip install 'saddlepoint\[voxels\]'"):
        meshes.surface(cube().astype(float), 0.5)
