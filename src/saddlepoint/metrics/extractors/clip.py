"""The image tower of CLIP, the network of CMMD. N images of C channels and H x W pixels."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from saddlepoint.config.rules import TypedPath
from saddlepoint.metrics.extractors.extractor import Embedding, Extractor
from saddlepoint.metrics.extractors.interpolation import Interpolation, interpolated, rule
from saddlepoint.metrics.extractors.preparing import in_colour, refuse_unless_grey_or_colour
from saddlepoint.metrics.extractors.vision_transformers import digest_of, normalised, read, tell_digest, transformer
from saddlepoint.metrics.extractors.weight_files import WeightFile

IMAGE_SIZE, PATCH, NUM_FEATURES = 336, 14, 768
ARCHITECTURE = {"embed_dim": 1024, "depth": 24, "num_heads": 16}
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of CLIP's training images
FILE = WeightFile("clip", "vit_large_patch14_clip_336.openai.safetensors",
                  "https://huggingface.co/timm/vit_large_patch14_clip_336.openai/resolve/main/model.safetensors",
                  "SADDLEPOINT_CLIP_WEIGHTS", megabytes=1218)
OF_OPENAI = "visual."  # with which the names of the image tower's weights begin
# Parts of names in OpenAI's layout -> timm's. The first that fits counts.
NAMES = {"transformer.resblocks.": "blocks.", "attn.in_proj_": "attn.qkv.", "attn.out_proj.": "attn.proj.",
         "mlp.c_fc.": "mlp.fc1.", "mlp.c_proj.": "mlp.fc2.", "ln_1.": "norm1.", "ln_2.": "norm2.",
         "ln_pre.": "norm_pre.", "ln_post.": "norm.", "conv1.": "patch_embed.proj."}


class Clip(Extractor):
    """CLIP's ViT-L/14 for 336 pixels with its projection (Radford et al. 2021, https://arxiv.org/abs/2103.00020).

    weights: the path of a file of timm's or OpenCLIP's (.safetensors), or of tensors by OpenAI's names (.pt); None:
        torch hub's folder, see WeightFile.locate
    interpolation: how images are brought to 336 x 336; bicubic_antialiased is that of CMMD's code

    Features are not divided by their lengths; the metric cmmd does that. Nobody publishes the digest of the file as
    tensors (that of OpenAI's own file is of an archive with code). So `digest` is that of the weights that were found.
    """

    name = "clip"
    num_features = NUM_FEATURES

    def __init__(self, weights: TypedPath | None = None, interpolation: Interpolation = "bicubic_antialiased"):
        super().__init__()
        self.interpolation, self.resize = interpolation, rule(IMAGE_SIZE, interpolation)
        path, where = FILE.locate(weights)
        tensors = in_timms_names(read(path, where, f"timm's {FILE.address}"))
        self.digest = digest_of(tensors)
        tell_digest(self.digest, where)
        self.network = transformer(
            "clip", tensors, where, img_size=IMAGE_SIZE, patch_size=PATCH, **ARCHITECTURE, pre_norm=True,
            norm_layer=lambda width, **more: nn.LayerNorm(width, eps=1e-5, **more), act_layer="quick_gelu",
            num_classes=NUM_FEATURES)
        self.requires_grad_(False).eval()

    def check(self, channels: int, image_size: int) -> None:
        refuse_unless_grey_or_colour(self.name, channels)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Embedding:
        """images [N, C, H, W] uint8 -> features [N, 768], no logits"""
        pixels = in_colour(interpolated(images, IMAGE_SIZE, self.interpolation))
        return Embedding(self.network(normalised(pixels, MEAN, DEVIATION)), None)


def in_timms_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights of the image tower by timm's names, of a file by OpenAI's names or by timm's."""
    named = dict(tensors)
    if f"{OF_OPENAI}class_embedding" in tensors:
        tower = {name.removeprefix(OF_OPENAI): tensor for name, tensor in tensors.items() if name.startswith(OF_OPENAI)}
        named = {"cls_token": tower.pop("class_embedding").view(1, 1, -1),
                 "pos_embed": tower.pop("positional_embedding")[None],
                 "head.weight": tower.pop("proj").T.contiguous()}
        named |= {_timms_name(name): tensor for name, tensor in tower.items()}
    if "head.weight" in named:
        named.setdefault("head.bias", torch.zeros(len(named["head.weight"])))  # the projection has none
    return named


def _timms_name(name: str) -> str:
    for theirs, timms in NAMES.items():
        name = name.replace(theirs, timms)
    return name
