"""saddlepoint-audit: what is known to be wrong with a folder is found in it, and nothing else."""

import io
import json
from pathlib import Path

import numpy
import pytest
from PIL import Image

from saddlepoint.commands.interface import audit
from saddlepoint.errors import RequestError
from saddlepoint.preparing import audit_report, duplicates, findings
from tests.data.formats import photo


def scene(seed: int, side: int = 64) -> Image.Image:
    """A smooth picture, unlike those of other seeds."""
    levels = numpy.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=numpy.uint8)
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content)


def save(image: Image.Image, name: str, **how: object) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    image.save(name, **how)


def looked(*settings: str, **values: object) -> dict:
    return audit("num_workers=1", *settings, **{"input": "set", **values})


def test_kinds_sizes_and_damage_are_counted(capsys):
    for number in range(4):
        save(scene(number), f"set/{number}.png")
    save(scene(10).convert("L"), "set/grey.png")
    save(scene(11).quantize(16), "set/palette.png")
    save(scene(12).convert("CMYK"), "set/ink.tif")
    save(scene(13).convert("RGBA"), "set/clear.png")
    save(Image.fromarray(numpy.arange(64 * 64, dtype=numpy.uint16).reshape(64, 64) * 16), "set/deep.png")
    save(scene(14), "set/film.gif", save_all=True, append_images=[scene(15)])
    save(scene(16).crop((0, 0, 64, 32)), "set/wide.png")
    save(Image.new("RGB", (64, 64), (9, 9, 9)), "set/flat.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    save(scene(17).crop((0, 0, 48, 64)), "set/turned.jpg", exif=exif)
    Path("set/cut.png").write_bytes(Path("set/0.png").read_bytes()[:-900])
    Path("set/empty.jpg").write_bytes(b"")
    report = looked()
    [found] = report["sets"].values()
    assert (found["files"], found["images"]) == (15, 13)
    assert {*found["unreadable"]["files"]} == {"cut.png", "empty.jpg"}
    assert found["unreadable"]["files"]["empty.jpg"] == "it is empty"
    assert found["kinds"] == {"RGB": 7, "grey": 1, "RGB, palette": 2, "CMYK": 1, "RGB, transparency": 1,
                              "grey, more than 8 bits": 1}
    assert found["turned_by_exif"] == {"count": 1, "files": ["turned.jpg"]}
    assert found["several_pictures"] == {"count": 1, "files": ["film.gif"]}
    assert found["of_one_colour"] == {"count": 1, "files": ["flat.png"]}
    assert found["sizes"] == {"64 x 64": 11, "64 x 32": 1, "64 x 48": 1} and found["not_square"] == 2
    assert found["shorter_side"] == {"32 to 63": 2, "64 to 127": 11}
    assert report["duplicates"]["exact"]["groups"] == report["duplicates"]["near"]["groups"] == 0
    assert json.loads(Path("set_audit/audit.json").read_text()) == report
    printed = capsys.readouterr().out
    assert "2 files cannot be read: cut.png (" in printed and "No image is there twice." in printed
    assert "1 image is turned or mirrored by EXIF" in printed and not Path("set_audit/duplicates.png").exists()


def test_copies_are_found_in_other_formats_sizes_and_qualities():
    for number in range(40):
        save(scene(number), f"set/{number:02}.png")
    save(scene(3), "set/same.bmp")
    save(compressed(scene(5), 60), "set/worse.png")
    save(scene(7).resize((40, 40), Image.Resampling.BICUBIC), "set/smaller.png")
    save(scene(9).convert("L"), "set/without_colour.png")
    found = looked()["duplicates"]
    assert found["exact"] == {"groups": 1, "images": 2, "examples": [["03.png", "same.bmp"]]}
    assert sorted(map(sorted, found["near"]["examples"])) == [
        ["05.png", "worse.png"], ["07.png", "smaller.png"], ["09.png", "without_colour.png"]]
    assert Image.open("set_audit/duplicates.png").width > 100


def test_test_images_among_the_training_images_are_named(capsys):
    for number in range(6):
        save(scene(number), f"set/train/cat/{number}.png")
        save(scene(100 + number), f"set/train/dog/{number}.png")
        save(scene(200 + number), f"set/test/{'cat' if number % 2 else 'dog'}/{number}.png")
    save(scene(4), "set/test/cat/known.png")
    save(compressed(scene(102), 70), "set/test/cat/known_dog.png")
    report = looked()
    [between] = report["duplicates"]["between"]
    assert (between["images_of"], between["also_in"], between["exact"], between["near"]) == (
        "set/test", "set/train", 1, 1)
    assert report["sets"]["set/train"]["classes"] == {"cat": 6, "dog": 6}
    assert report["duplicates"]["of_two_classes"] == {
        "groups": 1, "examples": [["test/cat/known_dog.png", "train/dog/2.png"]]}
    assert "Overlap: of set/test, 1 image is in set/train too, and 1 nearly so" in capsys.readouterr().out


def test_two_folders_are_compared_and_classes_weighed(capsys):
    for number in range(20):
        save(scene(number), f"set/many/{number}.png")
    save(scene(50), "set/few/a.png")
    Path("set/none").mkdir()
    Path("set/none/a.png").write_bytes(b"no picture")
    save(scene(60), "other/a.png")
    report = looked("against=other")
    assert report["sets"]["set"]["classes"] == {"few": 1, "many": 20, "none": 0}
    printed = capsys.readouterr().out
    assert "classes are unequal: many has 20 times as many images as few" in printed
    assert "no image that can be read: none" in printed
    assert "No overlap" in printed or "No image is there twice." in printed


def test_processes_see_what_one_sees():
    for number in range(40):
        save(scene(number // 2), f"set/{number}.png")
    assert looked(output="one") == looked(output="two", num_workers=2)


@pytest.mark.parametrize(("values", "words"), [
    ({"input": None}, "input is not set"), ({"input": "nowhere"}, "input=nowhere does not exist"),
    ({"against": "./set"}, "is the folder of input= itself"), ({"distance": 17}, "distance=17 must be a whole number"),
    ({"input": "set/a.png"}, "is a file and not a folder"), ({"image_extensions": ["gif"]}, "no file that ends in gif"),
])
def test_an_impossible_wish_is_refused(values, words):
    save(photo(8, 8), "set/a.png")
    with pytest.raises(RequestError, match=words):
        looked(**values)
    assert [path.name for path in Path().iterdir()] == ["set"]


def test_an_audit_that_was_named_is_replaced_only_when_asked():
    save(photo(8, 8), "set/a.png")
    looked(output="mine")
    with pytest.raises(RequestError, match="output=mine has an audit already"):
        looked(output="mine")
    looked("overwrite=true", output="mine")


# The search for pairs.


def test_pairs_are_those_that_comparing_each_with_each_finds():
    """By hand: every two hashes, bit by bit, and numpy's correlation coefficient."""
    draws = numpy.random.default_rng(0)
    originals = numpy.stack([numpy.asarray(scene(number).convert("L").resize((16, 16))) for number in range(60)])
    noisy = (originals[:30] + draws.normal(0, 2, (30, 16, 16))).clip(0, 255).astype(numpy.uint8)
    thumbnails = numpy.concatenate([originals, noisy])
    hashes = duplicates.hashes_of(thumbnails)
    for distance in (0, 3, 8):
        expected = {(i, j) for j in range(90) for i in range(j)
                    if int(hashes[i] ^ hashes[j]).bit_count() <= distance
                    and numpy.corrcoef(thumbnails[i].ravel(), thumbnails[j].ravel())[0, 1] >= duplicates.CORRELATION}
        pairs = duplicates.near_pairs(thumbnails, distance)
        found = [*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]
        assert {*found} == expected and len(found) == len(expected)
    assert len(expected) >= 20


def test_a_hash_has_the_signs_of_scipys_cosine_transform():
    from scipy.fft import dctn
    thumbnails = numpy.random.default_rng(1).integers(0, 256, (5, 16, 16), dtype=numpy.uint8)
    for thumbnail, value in zip(thumbnails, duplicates.hashes_of(thumbnails), strict=True):
        low = dctn(thumbnail.astype(float))[:8, :8].ravel()
        signs = low > numpy.median(low[1:])
        assert f"{int(value):064b}"[1:] == "".join("01"[int(sign)] for sign in signs[1:])


def test_a_film_of_one_scene_neither_fills_memory_nor_goes_on_for_ever(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 1000)
    monkeypatch.setattr(duplicates, "ROWS", 16)
    still = numpy.asarray(scene(0).convert("L").resize((16, 16)))
    pairs = duplicates.near_pairs(numpy.repeat(still[None], 300, axis=0), 4)
    assert 1000 <= len(pairs.first) <= 44_850 - 1  # fewer than all


def test_that_not_all_near_duplicates_were_looked_for_is_said(monkeypatch):
    nothing = {"groups": 0, "images": 0, "examples": []}
    between = [{"images_of": "b", "also_in": "a", "exact": 0, "near": 0, "examples": []}]
    found = {"exact": nothing, "near": {"groups": 1, "images": 2, "examples": [["c", "d"]]}, "of_two_classes": nothing,
             "all_near_looked_for": True, "between": between}
    assert "No overlap: no image of b is in a" in [*audit_report.of_duplicates(found)]
    said = "\n".join(audit_report.of_duplicates(found | {"all_near_looked_for": False}))
    assert "No overlap" not in said and "not all: after 2,000,000 pairs no more were looked for" in said
    monkeypatch.setattr(findings, "MOST_PAIRS", 3)
    for count, are_all in ((2, True), (3, False)):
        pairs = duplicates.Pairs(*(numpy.zeros(count, int) for _ in range(3)))
        twins = findings.Twins([], [], pairs)
        assert findings.describe_twins([], twins, [])["all_near_looked_for"] is are_all
