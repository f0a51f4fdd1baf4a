"""What input= names, and where each result goes."""

import os
import unicodedata
from pathlib import Path

import pytest

from saddlepoint.errors import RequestError
from saddlepoint.upscaling.planning import Job, find_sources, plan_jobs, refuse_to_overwrite_inputs, select_new


def files(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def targets(typed: str, output: str | None = None, kind: str | None = None, scale: float = 4.0,
            recursive: bool = False) -> list[str]:
    return [str(job.target) for job in plan_jobs(find_sources(typed, recursive), output, kind, f"_x{scale:g}")]


@pytest.mark.parametrize("name", ["photo.png", "photo (1), the best.jpg", "a[1].png", "what?.png", "*.tif", "noending"])
def test_one_file_goes_beside_itself_with_the_scale_in_its_name(name):
    files(f"my photos/{name}")
    stem, dot, suffix = name.rpartition(".")
    expected = f"{stem}_x4.{suffix}" if dot else f"{name}_x4.png"
    assert targets(f"my photos/{name}") == [f"my photos/{expected}"]


def test_the_scale_in_the_name_is_written_as_short_as_can_be():
    files("a.png")
    assert targets("a.png", scale=2.5) == ["a_x2.5.png"] and targets("a.png", scale=2.0) == ["a_x2.png"]


@pytest.mark.parametrize(("name", "kind", "expected"), [
    ("a.JPEG", None, "a_x4.JPEG"), ("a.bmp", None, "a_x4.png"), ("a.gif", "webp", "a_x4.webp"),
    ("a.jpeg", "jpg", "a_x4.jpeg"), ("a.tif", "tiff", "a_x4.tif"), ("a.png", "jpg", "a_x4.jpg"),
])
def test_the_format_is_the_inputs_own_where_it_can_be_written(name, kind, expected):
    files(name)
    [job] = plan_jobs(find_sources(name, False), None, kind, "_x4")
    assert str(job.target) == expected
    assert job.kind == (kind or {"a.JPEG": "jpg", "a.bmp": "png"}[name])


def test_a_typed_file_or_folder_is_where_it_goes():
    files("a.png", "there/b.txt")
    assert targets("a.png", "b.jpg") == ["b.jpg"] and targets("a.png", "new/b.tiff") == ["new/b.tiff"]
    assert targets("a.png", "there") == ["there/a.png"] and targets("a.png", "new/") == ["new/a.png"]
    with pytest.raises(RequestError, match="output=b must end in .png.*type output=b.png, or output=b/ for a folder"):
        targets("a.png", "b")
    with pytest.raises(RequestError, match="format=png and output=b.jpg name two formats"):
        targets("a.png", "b.jpg", "png")


def test_a_folder_goes_into_a_folder_beside_it_with_the_names_kept():
    files("photos/b.jpg", "photos/A.PNG", "photos/notes.txt", "photos/.hidden.png", "photos/old/c.png")
    assert targets("photos") == ["photos_x4/A.PNG", "photos_x4/b.jpg"] == targets("photos/")
    assert find_sources("photos", False).left_out == 1
    said = ["1 file whose ending is not that of an image (.txt 1)", "1 hidden file"]
    assert find_sources("photos", False).passed_over == find_sources("photos", True).passed_over == said
    assert targets("photos", recursive=True) == ["photos_x4/A.PNG", "photos_x4/b.jpg", "photos_x4/old/c.png"]
    assert targets("photos", "out") == ["out/A.PNG", "out/b.jpg"]
    with pytest.raises(RequestError, match="output=out.png is a file, but input names several"):
        targets("photos", "out.png")


def test_the_folder_one_is_in_gets_its_results_inside():
    files("a.png")
    assert targets(".") == ["upscaled_x4/a.png"] == targets("./") == targets("*.png")


def test_results_of_before_are_no_inputs():
    files("a.png", "b/c.png", "upscaled_x4/a.png", "upscaled_x4/b/c.png")
    assert targets(".", recursive=True) == ["upscaled_x4/a.png", "upscaled_x4/b/c.png"]
    assert targets("**/*.png", "b/out") == ["b/out/a.png", "b/out/b/c.png", "b/out/upscaled_x4/a.png",
                                            "b/out/upscaled_x4/b/c.png"]


def test_a_pattern_takes_what_it_matches():
    files("photos/a.jpg", "photos/b.png", "photos/.c.jpg", "photos/2024/d.jpg")
    assert targets("photos/*.jpg") == ["photos_x4/a.jpg"]
    assert targets("photos/**/*.jpg") == ["photos_x4/2024/d.jpg", "photos_x4/a.jpg"]
    assert targets("photo?/[ab].*") == ["upscaled_x4/photos/a.jpg", "upscaled_x4/photos/b.png"]
    absolute = f"{Path.cwd()}/photos/*.jpg"
    assert targets(absolute) == [f"{Path.cwd()}/photos_x4/a.jpg"]


def test_files_that_would_get_one_name_get_two():
    files("in/a.bmp", "in/a.png", "in/b.gif")
    assert targets("in") == ["in_x4/a.bmp.png", "in_x4/a.png.png", "in_x4/b.png"]


@pytest.mark.parametrize(("names", "kind"), [
    (["scan.bmp", "scan.png"], None), (["a.png", "a.jpg", "a.webp"], "jpg"), (["a.png", "a.jpg"], None),
    (["a.bmp", "a.png", "a.png.png", "a.bmp.png"], None), (["A.png", "a.png"], None), (["A/x.png", "a/X.png"], None),
    ([unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")], None), (["straße.png", "STRASSE.png"], None),
    (["a.png", "a_compare.png", "a_compare.jpg", "a.gif"], None), (["a.bmp", "b/a.bmp", "b/a.png"], None),
    ([f"{'n' * 251}.{ending}" for ending in ("png", "bmp", "gif")], None),
    ([f"{'é' * 125}.{ending}" for ending in ("png", "bmp")], "jpg"),
])
def test_no_two_results_have_one_name_on_any_file_system(names, kind):
    files(*(f"in/{name}" for name in names))
    planned = plan_jobs(find_sources("in", True), None, kind, "_x4")
    assert len(planned) == len(names) and all(job.source.exists() for job in planned)
    results = [path for job in planned for path in (job.target, job.comparison)]
    assert len({unicodedata.normalize("NFC", str(path)).casefold() for path in results}) == 2 * len(names)
    assert all(len(os.fsencode(part)) <= 255 for path in results for part in path.parts)
    assert [job.target.suffix for job in planned] == [f".{job.kind}" for job in planned]
    assert planned == plan_jobs(find_sources("in", True), None, kind, "_x4")


def test_results_keep_plain_names_where_nothing_is_in_the_way():
    files("in/a.png", "in/b.jpg")
    comparisons = [str(job.comparison) for job in plan_jobs(find_sources("in", False), None, None, "_x4")]
    assert comparisons == ["in_x4/a_compare.png", "in_x4/b_compare.png"]


@pytest.mark.parametrize("typed", ["in", "in/*.png", "in/**/*"])
def test_decomposed_names_are_found_under_their_own_paths(typed):
    name = unicodedata.normalize("NFD", "é.png")
    files(f"in/{name}")
    [job] = plan_jobs(find_sources(typed, False), None, None, "_x4")
    assert job.source.exists() and job.source.name == name
    [job] = plan_jobs(find_sources(f"in/{unicodedata.normalize('NFC', name)}", False), None, None, "_x4")
    assert job.source.exists() and job.target.name == unicodedata.normalize("NFC", "é_x4.png")


def test_inputs_below_the_folder_of_results_stay_inputs():
    files("photos/new/a.png", "photos/new/b.png")
    assert targets("photos/new", "photos") == ["photos/a.png", "photos/b.png"]


@pytest.mark.parametrize(("typed", "output"), [("photos", "photos/up"), (".", None)])
def test_a_folder_of_nothing_but_results_is_refused(typed, output):
    files("photos/up/a.png" if output else "upscaled_x4/a.png")
    with pytest.raises(RequestError, match="All images of input=.* lie in output=.*up.*count as results: type output="):
        targets(typed, output, recursive=True)


@pytest.mark.parametrize(("typed", "words"), [
    ("nowhere.png", "input=nowhere.png does not exist"),
    ("nowhere/*.png", "matches no file"),
    ("empty", r"input=empty has no image files \(png, jpg"),
    ("deep", "recursive=true takes those in the folders below"),
    ("pipe.png", "input=pipe.png is neither a file nor a folder"),
    ("deep/b**.png", r"input=deep/b\*\*.png (is no pattern|matches no file)"),
    ("n" * 300 + ".png", "must be a shorter path"),
])
def test_an_input_that_is_not_there_is_named(typed, words):
    Path("empty").mkdir()
    os.mkfifo("pipe.png")
    files("deep/er/a.png")
    with pytest.raises(RequestError, match=words):
        find_sources(typed, False)


def test_an_input_is_never_overwritten_by_any_road():
    files("in/a.png")
    Path("link").symlink_to("in")
    for typed, output in (("in/a.png", "in/a.png"), ("in/a.png", "link/a.png"), ("in", "in"), ("in", "link"),
                          ("link", "in/"), ("in/a.png", "in/")):
        with pytest.raises(RequestError, match="is itself an input: type output="):
            refuse_to_overwrite_inputs(plan_jobs(find_sources(typed, False), output, None, "_x4"))
    files("in/x.png", "in/x_compare.png")
    with pytest.raises(RequestError, match="x_compare.png is itself an input"):
        refuse_to_overwrite_inputs([Job(Path("in/x_compare.png"), Path("in/x.png"), "png", Path("in/x_compare.png"))])


def test_existing_results_are_left_alone_unless_asked():
    files("in/a.png", "in/b.png", "in_x4/a.png")
    planned = plan_jobs(find_sources("in", False), None, None, "_x4")
    assert select_new(planned, compare=False, overwrite=False) == planned[1:]
    assert select_new(planned, compare=False, overwrite=True) == planned
    assert select_new(planned, compare=True, overwrite=False) == planned[1:]
    files("in_x4/b.png")
    with pytest.raises(RequestError, match="All 2 results exist in in_x4: .*overwrite=true"):
        select_new(planned, compare=False, overwrite=False)
    with pytest.raises(RequestError, match=r"in_x4/a.png exists: type output= .*overwrite=true"):
        select_new(planned[:1], compare=False, overwrite=False)
