"""Low-resolution files: which of them belongs to which photograph, and which combinations are refused."""

import unicodedata
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from skimage import data as photographs

from saddlepoint.data.bicubic import reduced_uint8
from saddlepoint.data.decoding import Unreadable
from saddlepoint.data.listing import image_files
from saddlepoint.data.partners import Partners
from saddlepoint.errors import RequestError
from tests.data.pair_data import pair_folder, pixels_of, place_of, stream, write_noise
from tests.data.test_pairs import orientations

ENDINGS = ("png", "jpg", "bmp")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def partners_of(high: Path, low: Path, scale: int = 4) -> dict[str, str | None]:
    """Returns name of a photograph -> name of its low-resolution file, None without one."""
    files = image_files(high, ENDINGS)
    partners = Partners(files, low, scale, ENDINGS)

    def partner_of(file) -> str | None:
        try:
            return partners.of(file).relative_to(low).as_posix()
        except Unreadable:
            return None

    return {file.name: partner_of(file) for file in files}


@pytest.mark.parametrize(("high", "low"), [
    ("0001.png", "0001x4.png"),  # DIV2K, Flickr2K
    ("0001.png", "0001x4d.png"),  # DIV2K difficult
    ("Canon_001_HR.png", "Canon_001_LR4.png"),  # RealSR
    ("sony_12_x1.png", "sony_12_x4.png"),  # DRealSR
    ("baby_HR_x4.bmp", "baby_LRBI_x4.bmp"),  # RCAN
    ("img_001_SRF_4_HR.png", "img_001_SRF_4_LR.png"),  # SelfExSR
    ("a.png", "a_x4.jpg"), ("a.png", "a-X4.png"), ("a.png", "a_4x.png"), ("a.png", "a_lr.png"), ("a.png", "A.PNG"),
    ("a_HR.png", "a.png"), ("a_hr.png", "ax4.png"), ("b/c/a_GT.png", "b/c/a_LQ.png"), ("cat.1.png", "cat.1x4.jpg"),
    ("a [1] (b).png", "a [1] (b)x4.png"),
])
def test_the_names_that_data_sets_give_their_pairs_are_known(high, low, tmp_path):
    assert partners_of(touch(tmp_path / "high", high), touch(tmp_path / "low", low)) == {high: low}


@pytest.mark.parametrize("low", ["cat.1.png", "cat1.png", "catx2.png", "cat.json", "cat4.png", "cats.png", "a/cat.png",
                                 "wildcat.png"])
def test_a_name_that_only_begins_alike_is_none(low, tmp_path):
    touch(tmp_path / "high", "dog.png")
    assert partners_of(touch(tmp_path / "high", "cat.png"), touch(tmp_path / "low", low, "dog.png"))["cat.png"] is None


def test_the_exact_name_comes_before_all_that_resemble_it(tmp_path):
    high = touch(tmp_path / "high", "a.png", "A.png", "a.jpg", "b.png")
    low = touch(tmp_path / "low", "a.png", "A.png", "a.jpg", "ax4.png", "a.1.png", "b.jpg", "B.png", "b_x4.png",
                "b.json")
    assert partners_of(high, low) == {"a.png": "a.png", "A.png": "A.png", "a.jpg": "a.jpg", "b.png": "b.jpg"}


@pytest.mark.parametrize("lows", [("a.jpg", "a.bmp"), ("ax4.png", "a_x4.png"), ("ax4.png", "ax4.jpg")])
def test_two_that_fit_are_refused_by_name(lows, tmp_path):
    with pytest.raises(RequestError, match="both fit data.root's a.png .* keep one of them .* or name it a.png") as end:
        partners_of(touch(tmp_path / "high", "a.png"), touch(tmp_path / "low", *lows))
    assert all(str(tmp_path / "low" / low) in str(end.value) for low in lows)


def test_one_low_image_is_not_shared(tmp_path):
    low = touch(tmp_path / "low", "a.png")
    assert partners_of(touch(tmp_path / "high", "a.png", "a.jpg"), low) == {"a.png": "a.png", "a.jpg": None}
    with pytest.raises(RequestError, match="b.bmp and b.jpg of data.root both fit .*bx4.png"):
        partners_of(touch(tmp_path / "other", "b.jpg", "b.bmp"), touch(tmp_path / "low", "bx4.png"))


def test_decomposed_names_are_paired_with_composed_ones_under_their_own_paths(tmp_path):
    name = "naïve café"
    high = touch(tmp_path / "high", f"{unicodedata.normalize('NFD', name)}.png")
    low = touch(tmp_path / "low", f"{unicodedata.normalize('NFC', name)}x4.png")
    files = image_files(high, ENDINGS)
    assert Partners(files, low, 4, ENDINGS).of(files[0]).exists()
    same = touch(tmp_path / "same", f"{unicodedata.normalize('NFC', name)}.png", f"{name}_HR.png")
    assert Partners(files, same, 4, ENDINGS).of(files[0]).name == f"{unicodedata.normalize('NFC', name)}.png"
    assert partners_of(low, high) == {f"{name}x4.png": None}


def test_both_may_lie_in_one_folder(tmp_path):
    write_noise(tmp_path, ("a_HR", "b_HR"))
    write_noise(tmp_path, ("a_LR4", "b_LR4"), 10, 7)
    data = pair_folder(tmp_path, low_root=str(tmp_path), image_size=4)
    assert data.num_images == 2 and data.skipped == []


def test_of_two_endings_in_one_folder_neither_is_the_low_one(tmp_path):
    touch(tmp_path, "a.png", "a.bmp", "b.png", "bx4.png")
    assert partners_of(tmp_path, tmp_path) == {"a.png": None, "a.bmp": None, "b.png": "bx4.png", "bx4.png": None}
    write_noise(tmp_path / "two", ("a",))
    (tmp_path / "two" / "a.jpg").write_bytes((tmp_path / "two" / "a.png").read_bytes())
    with pytest.raises(RequestError, match="has no low-resolution image for any of the 2 images"):
        pair_folder(tmp_path / "two", low_root=str(tmp_path / "two"))


def test_names_that_end_as_low_ones_do_are_refused_where_either_pairing_fits(tmp_path):
    high = touch(tmp_path / "high", "cat.png", "catx4.png")
    low = touch(tmp_path / "low", "catx4.png", "catx4x4.png")
    with pytest.raises(RequestError, match=r"catx4.png fits catx4.png and cat.png of data.root .*catx4x4.png fits"):
        partners_of(high, low)
    assert partners_of(high, touch(tmp_path / "exact", "cat.png", "catx4.png")) == {
        "cat.png": "cat.png", "catx4.png": "catx4.png"}
    with pytest.raises(RequestError, match="low/catx4.png fits cat.png of data.root .*and has one of its own"):
        partners_of(touch(low, "cat.png"), low)


def test_a_folder_without_any_partner_is_refused_with_one_that_has_them(tmp_path):
    write_noise(tmp_path / "high")
    write_noise(tmp_path / "low" / "X4", ("ax4", "bx4", "cx4"), 10, 7)
    with pytest.raises(RequestError, match=r"no low-resolution image for any of the 3 images of data.root=.*X4/ax4.png "
                                           r"and 2 others. Type data.low_root=\S+low/X4 for") as end:
        pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"))
    assert str(tmp_path / "low" / "X4") in str(end.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="and no image at all. Type data.low_root=FOLDER"):
        pair_folder(tmp_path / "high", low_root=str(tmp_path / "empty"))
    with pytest.raises(RequestError, match="data.low_root=nowhere is not a folder"):
        pair_folder(tmp_path / "high", low_root="nowhere")


def test_a_low_image_of_another_scale_says_which(tmp_path):
    write_noise(tmp_path / "high", ("a",))
    write_noise(tmp_path / "low", ("a",), 20, 14)
    with pytest.raises(RequestError, match="20 x 14 pixels, not the 10 x 7 .* asks for: data.scale=2 would fit"):
        pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"))


# What the pairs show.


def write_photographs(root: Path, **photographs: numpy.ndarray) -> Path:
    root.mkdir(exist_ok=True)
    for name, pixels in photographs.items():
        Image.fromarray(pixels).save(root / f"{name}.png")
    return root


def smaller(pixels: numpy.ndarray) -> numpy.ndarray:
    """Reduces an image with Pillow, another implementation than ours."""
    return numpy.asarray(Image.fromarray(pixels).resize([side // 4 for side in pixels.shape[1::-1]], Image.BOX))


SCENES = {name: getattr(photographs, name)()[:256, :256] for name in ("astronaut", "coffee", "chelsea", "rocket")}
FLAT = {name: (pixels // 8 + 100).astype(numpy.uint8) for name, pixels in SCENES.items()}  # little contrast


def degraded(pixels: numpy.ndarray) -> numpy.ndarray:
    """Returns a darker image with noise and fewer levels, as of a phone."""
    noise = numpy.random.default_rng(0).normal(0, 12, pixels.shape)
    return (pixels * 0.85 + noise).clip(0, 255).astype(numpy.uint8) // 8 * 8


@pytest.mark.parametrize("scenes", [SCENES, FLAT], ids=["scenes", "flat"])
def test_pairs_of_other_photographs_are_warned_of_and_true_ones_are_not(scenes, tmp_path, caplog):
    high = write_photographs(tmp_path / "high", **scenes)
    lows = {name: smaller(pixels) for name, pixels in scenes.items()}
    true = write_photographs(tmp_path / "true", **lows)
    noisy = write_photographs(tmp_path / "noisy", **{name: degraded(low) for name, low in lows.items()})
    for low in (true, noisy) if scenes is SCENES else (true,):
        pair_folder(high, low_root=str(low))
        assert "do not show the same" not in caplog.text
    moved = write_photographs(tmp_path / "moved", **dict(zip(lows, [*lows.values()][1:] + [*lows.values()][:1],
                                                             strict=True)))
    pair_folder(high, low_root=str(moved))
    assert "4 of 4 pairs that were looked at do not show the same: astronaut.png (PSNR" in caplog.text


def test_the_psnr_in_the_warning_is_that_of_the_reduced_image(tmp_path, caplog):
    write_photographs(tmp_path / "high", a=SCENES["astronaut"], b=SCENES["coffee"])
    low = {"a": smaller(SCENES["coffee"]), "b": smaller(SCENES["coffee"])}
    pair_folder(tmp_path / "high", low_root=str(write_photographs(tmp_path / "low", **low)))
    reduced = reduced_uint8(torch.from_numpy(SCENES["astronaut"]).permute(2, 0, 1), 4).permute(1, 2, 0).numpy()
    psnr = 10 * numpy.log10(255**2 / numpy.square(reduced.astype(float) - low["a"]).mean())
    assert f"1 of 2 pairs that were looked at do not show the same: a.png (PSNR {psnr:.1f} dB)" in caplog.text


# Training and judging with them.


@pytest.mark.parametrize("name", ["{}", "{}x4"])
def test_low_files_are_found_by_name_and_cut_where_the_high_ones_are(name, tmp_path):
    highs = [pixels_of(path) for path in write_noise(tmp_path / "high")]
    names = tuple(name.format(letter) for letter in "abc")
    lows = [pixels_of(path) for path in write_noise(tmp_path / "low", names, width=10, height=7)]
    for high, low in zip(*stream(pair_folder(tmp_path / "high", low_root=str(tmp_path / "low")), 4), strict=True):
        [(number, (top, left))] = [(number, place) for number, image in enumerate(highs)
                                   if (place := place_of(high, image))]
        assert place_of(low, lows[number]) == (top // 4, left // 4)


def test_a_low_file_that_is_missing_or_of_another_size_leaves_its_image_out(tmp_path, caplog):
    write_noise(tmp_path / "high")
    write_noise(tmp_path / "low", ("a",), 10, 7)
    write_noise(tmp_path / "low", ("b",), 11, 7)
    data = pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"), rotate=True)
    good = pixels_of(tmp_path / "high" / "a.png")
    for high in stream(data, 4)[0]:
        assert any(place_of(turned, good) for turned in orientations(high).values())
    assert sorted(data.skipped) == ["b.png", "c.png"] and data.num_images == 1
    assert "b.png has 11 x 7 pixels, not the 10 x 7 that data.scale=4 asks for" in caplog.text
    assert "low has no image called c, cx4, c_x4 or c_LR4 for it" in caplog.text


def test_data_corrupt_fail_ends_at_a_low_file_that_does_not_fit(tmp_path):
    write_noise(tmp_path / "high", ("a",))
    write_noise(tmp_path / "low", ("a",), 9, 7)
    with pytest.raises(RequestError, match="9 x 7 pixels, not the 10 x 7.*None is left to train on"):
        pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"))


def test_a_validation_image_is_paired_with_its_low_file_unless_it_is_from_another_folder(tmp_path):
    [path, *_] = write_noise(tmp_path / "high", tuple("abcd"))
    write_noise(tmp_path / "low", tuple("abcd"), 10, 7)
    data = pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"), train_fraction=0.5)
    file = data.validation_files()[0]
    assert torch.equal(data.whole_pair(file).low, pixels_of(tmp_path / "low" / file.name))
    elsewhere = pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"), validation_root=str(tmp_path / "high"))
    low = elsewhere.whole_pair(elsewhere.validation_files()[0]).low
    assert torch.equal(low, reduced_uint8(pixels_of(path), 4))


def test_files_of_either_folder_that_take_no_part_are_counted(tmp_path, caplog):
    write_noise(tmp_path / "high", ("a", "b"))
    write_noise(tmp_path / "low", ("a", "b", "c"), width=10, height=7)
    write_noise(tmp_path / "valid", ("v",))
    (tmp_path / "valid" / "v.txt").write_text("")
    data = pair_folder(tmp_path / "high", low_root=str(tmp_path / "low"), validation_root=str(tmp_path / "valid"))
    assert f"left out: 1 file of data.low_root={tmp_path / 'low'} beside those of its images" in data.describe()
    assert len(data.validation_files()) == 1
    assert f"left out of data.validation_root={tmp_path / 'valid'}: 1 file whose ending is not in" in caplog.text
    write_noise(tmp_path / "high", ("ax4", "bx4"), width=10, height=7)
    assert pair_folder(tmp_path / "high", low_root=str(tmp_path / "high")).left_out == []
