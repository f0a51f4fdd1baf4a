"""DINOv2, the network of FD-DINOv2. N images of C channels and H x W pixels."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor

from saddlepoint.config.rules import TypedPath, one_of
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor
from saddlepoint.metrics.extractors.interpolation import Interpolation, interpolated, rule
from saddlepoint.metrics.extractors.preparing import in_colour, refuse_unless_grey_or_colour
from saddlepoint.metrics.extractors.vision_transformers import digest_of, normalised, read, tell_digest, transformer
from saddlepoint.metrics.extractors.weight_files import WeightFile

IMAGE_SIZE, PATCH = 224, 14  # pixels
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
SIZES = ("base", "large")
VARIABLE = "SADDLEPOINT_DINOV2_WEIGHTS"


class Architecture(NamedTuple):
    """A size of the network."""

    name: str  # of the extractor
    width: int
    depth: int
    heads: int
    file: WeightFile


def _file(letter: str, megabytes: int) -> WeightFile:
    network = f"dinov2_vit{letter}14"
    return WeightFile("dinov2", f"{network}_pretrain.pth",
                      f"https://dl.fbaipublicfiles.com/dinov2/{network}/{network}_pretrain.pth", VARIABLE, megabytes)


ARCHITECTURES = {
    "base": Architecture("dinov2_base", width=768, depth=12, heads=12, file=_file("b", 346)),
    "large": Architecture("dinov2", width=1024, depth=24, heads=16, file=_file("l", 1218)),
}


class DinoV2(Extractor):
    """DINOv2 without registers (Oquab et al. 2023, https://arxiv.org/abs/2304.07193): the class token after the last
    normalisation. Fréchet distances in it follow what people see better than Inception's (Stein et al. 2023,
    https://arxiv.org/abs/2306.04675).

    size: large is ViT-L/14 with 1,024 features, that of published values, whose names end with dinov2; base is ViT-B/14
        with 768 features, whose names end with dinov2_base
    weights: the path of a file of the authors' (.pth) or of timm's (.safetensors); None: torch hub's folder, see
        WeightFile.locate
    interpolation: how images are brought to 224 x 224. pil_bicubic is that of Stein et al. and of their code, dgm-eval;
        EDM2 has bicubic_antialiased, torch-fidelity tf1_bilinear

    The authors publish no digest of their files. So `digest` is that of the weights that were found, and says which
    they were; nobody has said which they must be.
    """

    def __init__(self, size: Annotated[str, one_of(*SIZES)] = "large", weights: TypedPath | None = None,
                 interpolation: Interpolation = "pil_bicubic"):
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"extractor.size={size} must be base or large")
        self.name, self.num_features, depth, heads, file = ARCHITECTURES[size]
        self.interpolation, self.resize = interpolation, rule(IMAGE_SIZE, interpolation)
        path, where = file.locate(weights)
        tensors = read(path, where, f"{file.name}, from {file.address}, or timm's file of the same network")
        tensors.pop("mask_token", None)  # which training alone needs
        refuse_another_size(tensors, size, where)
        self.digest = digest_of(tensors)
        tell_digest(self.digest, where)
        if (places := tensors.get("pos_embed")) is not None:
            tensors["pos_embed"] = fitted_places(places, IMAGE_SIZE // PATCH)
        self.network = transformer(
            "dinov2", tensors, where, img_size=IMAGE_SIZE, patch_size=PATCH, embed_dim=self.num_features, depth=depth,
            num_heads=heads, init_values=1.0, num_classes=0)
        self.requires_grad_(False).eval()

    def check(self, channels: int, image_size: int) -> None:
        refuse_unless_grey_or_colour("dinov2", channels)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 768 or 1024], no logits"""
        pixels = in_colour(interpolated(images, IMAGE_SIZE, self.interpolation))
        return Embedding(self.network(normalised(pixels, MEAN, DEVIATION)), None)


def refuse_another_size(tensors: Mapping[str, Tensor], size: str, where: str) -> None:
    """Raises a RequestError if the weights are those of another size, or of the network with registers."""
    if "register_tokens" in tensors or "reg_token" in tensors:
        raise RequestError(f"{where} is DINOv2 with registers, and FD-DINOv2 is measured without: take "
                           f"{ARCHITECTURES[size].file.address}")
    token = tensors.get("cls_token")
    for other, architecture in ARCHITECTURES.items():
        if other != size and token is not None and token.shape[-1] == architecture.width:
            raise RequestError(f"{where} has the weights of extractor.size={other}, and extractor.size={size}: type "
                               f"extractor.size={other}, or take {ARCHITECTURES[size].file.address}")


def fitted_places(places: Tensor, side: int) -> Tensor:
    """Returns embeddings of places for side x side patches, [1, 1 + side^2, D], of those for the images of training,
    [1, 1 + G^2, D]; the first is the class token's.

    It is bicubic without antialiasing, and the authors' code hands over the factor (side + 0.1) / G, with which patches
    are read at slightly other places than with the sizes alone. timm antialiases instead, which moves the features.
    """
    token, patches = places[:, :1], places[:, 1:]
    grid = round(patches.shape[1] ** 0.5)
    if grid == side:
        return places
    maps = patches.view(1, grid, grid, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / grid
    fitted = functional.interpolate(maps, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token, fitted.permute(0, 2, 3, 1).flatten(1, 2)], 1)
