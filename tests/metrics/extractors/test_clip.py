"""CLIP's image tower on random weights in OpenAI's layout, against torch-fidelity's."""

import pytest
import torch
import torchvision.transforms.functional as transforms
from safetensors.torch import save_file
from torch import Tensor
from torch_fidelity.feature_extractor_clip import FeatureExtractorCLIP, VisionTransformer

from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors import clip, weight_files
from saddlepoint.metrics.extractors.clip import Clip, in_timms_names
from tests.metrics.extractors.examples import noise

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def close(ours: Tensor, theirs: Tensor) -> None:
    assert theirs.std(0).mean() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_with_its_resize_features_are_torch_fidelitys(clip_file, monkeypatch):
    class Archive:
        def state_dict(self):
            return torch.load(clip_file, weights_only=True)

    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: Archive())
    images = noise(2, 3, 40)
    theirs, = FeatureExtractorCLIP("clip-vit-l-14-336px", ["clip"], "file")(images)
    ours = Clip(clip_file, "tf1_bilinear")
    close(ours(images).features, theirs)
    assert theirs.shape == (2, ours.num_features)


def test_images_are_resized_and_normalised_as_in_cmmds_code(clip_file, tower):
    images = noise(2, 3, 40)
    pixels = torch.nn.functional.interpolate(images / 255, (336, 336), mode="bicubic", antialias=True)
    close(Clip(clip_file)(images).features, tower(transforms.normalize(pixels, MEAN, DEVIATION)))


def test_timms_layout_and_openais_are_one(clip_file, tmp_path, capsys):
    save_file(in_timms_names(torch.load(clip_file, weights_only=True)), tmp_path / "timms.safetensors")
    one, other = Clip(clip_file), Clip(str(tmp_path / "timms.safetensors"))
    assert one.digest == other.digest and one.digest in capsys.readouterr().err
    assert torch.equal(one(noise(1, 3)).features, other(noise(1, 3)).features)


def test_the_genuine_tower_has_the_weights_of_openais():
    from timm.models import vit_large_patch14_clip_quickgelu_336
    with torch.device("meta"):
        openais = VisionTransformer(336, 14, 1024, layers=24, heads=16, output_dim=768).state_dict()
        timms = vit_large_patch14_clip_quickgelu_336(img_size=336, num_classes=768).state_dict()
    ours = in_timms_names({f"visual.{name}": tensor for name, tensor in openais.items()})
    assert {name: tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in timms.items()}


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_an_archive_with_code_is_refused_and_not_run(tmp_path):
    path = tmp_path / "ViT-L-14-336px.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(RequestError, match=f"^extractor.weights={path} is a TorchScript archive, .* take timm.s https"):
        Clip(str(path))


def test_offline_one_sentence_says_what_to_put_where(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv(clip.FILE.variable, raising=False)
    monkeypatch.setattr(weight_files, "download", fails)
    with pytest.raises(RequestError, match=f"^extractor=clip needs {clip.FILE.name} .from https.*no network"):
        Clip()


def test_other_than_grey_or_colour_is_refused(clip_file):
    with pytest.raises(RequestError, match="extractor=clip looks at grey or RGB images"):
        Clip(clip_file).check(2, 32)
