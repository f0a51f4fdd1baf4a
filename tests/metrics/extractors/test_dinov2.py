"""DINOv2 on random weights in the genuine layout, since the genuine weights cannot be had here."""

import sys
from pathlib import Path

import pytest
import torch
import torchvision.transforms as transforms
from safetensors.torch import save_file
from torch import Tensor
from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2
from torchvision.transforms.functional import to_pil_image

from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors import dinov2, vision_transformers, weight_files
from saddlepoint.metrics.extractors.dinov2 import ARCHITECTURES, DinoV2
from tests.metrics.extractors.examples import noise
from tests.metrics.extractors.reference_transformer import WIDTH, class_token, places_of, random_weights

WEIGHTS = random_weights()
BYTES_OF_LARGE = 1_217_586_395  # of the authors' file, as its users list it


def two_images() -> Tensor:
    """One dark, one bright, 40 x 40"""
    images = noise(2, 3, 40) // 3
    images[1] += 170
    return images


def close(ours: Tensor, theirs: Tensor) -> None:
    assert theirs.std(0).mean() > 0.02  # the images differ
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


# What it computes.


def test_features_are_those_of_stein_et_al(dinov2_file):
    images = two_images()
    prepare = transforms.Compose([
        transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC), transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
    pixels = torch.stack([prepare(to_pil_image(image)) for image in images])
    extractor = DinoV2(weights=dinov2_file)
    close(extractor(images).features, class_token(WEIGHTS, pixels))
    assert extractor.resize == "bicubic by Pillow, rounded to 8 bits, to 224 x 224"


def test_with_its_resize_features_are_edm2s(dinov2_file):
    images = two_images()
    pixels = torch.nn.functional.interpolate(images.float(), (224, 224), mode="bicubic", antialias=True) / 255
    pixels = (pixels - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225])[:, None, None]
    ours = DinoV2(weights=dinov2_file, interpolation="bicubic_antialiased")
    close(ours(images).features, class_token(WEIGHTS, pixels))


def test_with_its_resize_features_are_torch_fidelitys(dinov2_file, monkeypatch):
    class Network(torch.nn.Module):
        def forward(self, pixels):
            return class_token(WEIGHTS, pixels)

    monkeypatch.setattr(torch.hub, "load", lambda *_: Network())
    monkeypatch.setenv("XFORMERS_DISABLED", "1")  # as it will, and this is undone
    images = two_images()
    theirs, = FeatureExtractorDinoV2("dinov2-vit-l-14", ["dinov2"])(images)
    close(DinoV2(weights=dinov2_file, interpolation="tf1_bilinear")(images).features, theirs)


def test_places_are_fitted_as_by_the_authors_and_not_as_by_timm():
    from timm.layers import resample_abs_pos_embed
    authors = places_of(WEIGHTS)
    torch.testing.assert_close(dinov2.fitted_places(WEIGHTS["pos_embed"], 16), authors, rtol=0, atol=1e-5)
    timms = resample_abs_pos_embed(WEIGHTS["pos_embed"], [16, 16])
    assert (timms - authors).abs().max() > 0.1 * authors.std()


def test_grey_images_are_looked_at_as_colour_and_others_are_refused(dinov2_file):
    extractor, images = DinoV2(weights=dinov2_file), noise(2, 1, 28)
    torch.testing.assert_close(extractor(images).features, extractor(images.repeat(1, 3, 1, 1)).features)
    with pytest.raises(RequestError, match="extractor=dinov2 looks at grey or RGB images, and these have 4 channels"):
        extractor.check(4, 32)


def test_sizes_have_names_of_their_own(tmp_path, dinov2_file):
    torch.save(random_weights(width=WIDTH // 2), tmp_path / "base.pth")
    large, base = DinoV2("large", dinov2_file), DinoV2("base", str(tmp_path / "base.pth"))
    assert (large.name, large.num_features) == ("dinov2", WIDTH)
    assert (base.name, base.num_features) == ("dinov2_base", WIDTH // 2)
    assert base.digest != large.digest
    with pytest.raises(RequestError, match=r"has the weights of extractor.size=base, and extractor.size=large: type "
                                           "extractor.size=base"):
        DinoV2("large", str(tmp_path / "base.pth"))
    with pytest.raises(ValueError, match="extractor.size=giant must be base or large"):
        DinoV2("giant", dinov2_file)


def test_the_genuine_sizes_have_the_weights_of_the_authors_file():
    """By their number and by every name and shape of timm's network, which has no storage here"""
    from timm.models import vit_base_patch14_dinov2, vit_large_patch14_dinov2
    for size, make in (("base", vit_base_patch14_dinov2), ("large", vit_large_patch14_dinov2)):
        genuine = ARCHITECTURES_OF_PAPER[size]
        with torch.device("meta"):
            timms = make(img_size=518).state_dict()
            ours = random_shapes(genuine.width, genuine.depth)
        ours.pop("mask_token")
        assert {name: tensor.shape for name, tensor in timms.items()} == ours
    numbers = sum(map(torch.Size.numel, random_shapes(1024, 24).values()))
    assert 0 < BYTES_OF_LARGE - 4 * numbers < 200_000  # of names and padding


ARCHITECTURES_OF_PAPER = dict(ARCHITECTURES)


def random_shapes(width: int, depth: int) -> dict[str, torch.Size]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch, "randn", lambda shape, generator: torch.empty(shape, device="meta"))
        return {name: tensor.shape for name, tensor in random_weights(width, depth).items()}


# Which file.


def test_the_same_weights_have_the_same_digest_in_both_formats_and_it_is_told(dinov2_file, tmp_path, capsys):
    save_file({name: tensor for name, tensor in WEIGHTS.items() if name != "mask_token"}, tmp_path / "w.safetensors")
    one, other = DinoV2(weights=dinov2_file), DinoV2(weights=str(tmp_path / "w.safetensors"))
    assert one.digest == other.digest and torch.equal(one(noise(1, 3)).features, other(noise(1, 3)).features)
    told = f"={dinov2_file}: its weights have the SHA-256 {one.digest}; there is none to compare it with"
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("save", "name"), [(save_file, "w.pt"), (torch.save, "w.safetensors")])
def test_a_file_is_read_by_what_it_holds_and_not_by_its_name(save, name, tmp_path):
    save({"a": torch.ones(2)}, tmp_path / name)
    assert vision_transformers.read(tmp_path / name, "here", "weights")["a"].tolist() == [1, 1]


def test_building_one_draws_nothing(dinov2_file):
    before = torch.get_rng_state()
    DinoV2(weights=dinov2_file)
    assert torch.equal(before, torch.get_rng_state())


def test_offline_one_sentence_says_what_to_put_where(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv(dinov2.VARIABLE, raising=False)
    monkeypatch.setattr(weight_files, "download", fails)
    with pytest.raises(RequestError) as refusal:
        DinoV2()
    said = str(refusal.value)
    assert len(said.splitlines()) == 1 and "extractor=dinov2 needs dinov2_vitl14_pretrain.pth (from https://" in said
    assert "could not be downloaded (no network)" in said and f"put it into {tmp_path / 'hub' / 'checkpoints'}" in said


def test_without_timm_it_says_what_to_install(dinov2_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm.models.vision_transformer", None)
    with pytest.raises(RequestError, match=r"needs the package timm: type pip install 'saddlepoint\[extractors\]'"):
        DinoV2(weights=dinov2_file)


@pytest.mark.parametrize(("change", "why"), [
    (lambda weights: weights | {"register_tokens": torch.zeros(1, 4, WIDTH)}, "is DINOv2 with registers"),
    (lambda weights: {}, "weights of another network .* cls_token is missing; .*; and 3[0-9] others"),
    (lambda weights: weights | {"head.weight": torch.zeros(1)}, "another network .*: head.weight is unknown$"),
    (lambda weights: weights | {"norm.bias": torch.zeros(3)}, r"norm.bias has the shape \[3\] instead of \[32\]"),
    (lambda weights: {"model": weights}, "is no table of tensors by name: it must be dinov2_vitl14_pretrain.pth, from"),
    (lambda weights: b"<html>", "is damaged or holds more than tensors: it must be dinov2"),
    (lambda weights: sys, "is damaged or holds more than tensors"),
], ids=["registers", "nothing", "more", "shape", "nested", "html", "code"])
def test_another_file_is_a_sentence(dinov2_file, tmp_path, change, why):
    path, content = tmp_path / "file.pth", change(WEIGHTS)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"weights": Intruder()} if content is sys else content, path)
    with pytest.raises(RequestError, match=f"^extractor.weights={path} .*{why}"):
        DinoV2(weights=str(path))
    assert not Path("executed").exists()


class Intruder:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)
