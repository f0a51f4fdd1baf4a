"""Networks small enough for closed forms, and the step as the game makes it. N images [N, 2, 3, 4] unless said."""

from collections.abc import Sequence
from dataclasses import fields
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.recipe import Recipe
from saddlepoint.game.step import DiscriminatorStep, Shown, Side, Update, parts
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.trick import Trick
from saddlepoint.game.trick_stack import TrickStack
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.tricks.augment import Augment
from saddlepoint.tricks.augmentation.diffaugment import DiffAugment
from saddlepoint.tricks.auxiliary_classifier import AuxiliaryClassifier
from saddlepoint.tricks.consensus import Consensus
from saddlepoint.tricks.consistency import Consistency
from saddlepoint.tricks.ema import ExponentialMovingAverage
from saddlepoint.tricks.feature_matching import FeatureMatching
from saddlepoint.tricks.finite_difference import FiniteDifference
from saddlepoint.tricks.gradient_penalty import R1, R2, Dragan, WassersteinGradientPenalty
from saddlepoint.tricks.historical_averaging import HistoricalAveraging
from saddlepoint.tricks.instance_noise import InstanceNoise
from saddlepoint.tricks.labels import LabelFlip, LabelSmoothing
from saddlepoint.tricks.lecam import LeCam
from saddlepoint.tricks.mode_seeking import ModeSeeking
from saddlepoint.tricks.orthogonal import Orthogonal
from saddlepoint.tricks.packing import Packing
from saddlepoint.tricks.path_length import PathLength
from saddlepoint.tricks.pull_away import PullAway
from saddlepoint.tricks.top_k import TopK
from saddlepoint.tricks.unrolled import Unrolled
from saddlepoint.tricks.weights import SpectralNorm, WeightClipping

IMAGE = (2, 3, 4)

TRICKS = {
    "label_smoothing": LabelSmoothing, "label_flip": LabelFlip, "instance_noise": lambda: InstanceNoise(0.1),
    "wgan_gp": WassersteinGradientPenalty, "dragan": Dragan, "r1": R1, "r2": R2,
    "finite_difference": FiniteDifference,
    "weight_clipping": WeightClipping, "auxiliary_classifier": AuxiliaryClassifier, "spectral_norm": SpectralNorm,
    "ema": ExponentialMovingAverage, "packing": Packing, "consensus": Consensus, "pull_away": PullAway,
    "feature_matching": FeatureMatching, "historical_averaging": HistoricalAveraging, "mode_seeking": ModeSeeking,
    "path_length": PathLength, "unrolled": Unrolled, "orthogonal": Orthogonal,
    "augment": lambda: Augment(DiffAugment()), "consistency": lambda: Consistency(DiffAugment()), "lecam": LeCam,
    "top_k": lambda: TopK(0.5),
}


class Linear(nn.Module):
    """D(x) = <w, x>, whose gradient is w everywhere"""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight


class Quadratic(nn.Module):
    """D(x) = <x, x> / 2, whose gradient is x"""

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return images.flatten(1).square().sum(1) / 2


class Patches(nn.Module):
    """Convolutions and a label embedding: logits [N, 1, 3, 4], one per patch"""

    def __init__(self, normalization: nn.Module | None = None):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), normalization or nn.Identity(), nn.Softplus(),
                                    nn.Conv2d(5, 1, 3, padding=1))
        self.embedding = nn.Embedding(3, 1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers(images) + self.embedding(labels)[:, :, None, None]

    def class_logits(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers[:3](images).mean((2, 3))[:, :3]

    def features(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        return [self.layers[:3](images)]

    def encodings(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers[:3](images).flatten(1)


class Generator(nn.Module):
    """latents [N, 6] -> images, with running statistics"""

    latent_dim = 6

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 24), nn.Unflatten(1, IMAGE), nn.BatchNorm2d(2))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(latents).tanh()


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, *IMAGE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def built(tricks: dict[str, Trick], generator: nn.Module, discriminator: nn.Module) -> TrickStack:
    stack = TrickStack(tricks)
    stack.build(generator, discriminator)
    adam = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    stack.join(SimpleNamespace(turns=Turns(), players_optimizers=SimpleNamespace(trials={"discriminator": adam})))
    return stack


def step(discriminator: nn.Module, *, generator: nn.Module | None = None, stack: TrickStack | None = None,
         real: Shown | None = None, fake: Shown | None = None, images_seen: int = 0,
         draws: RandomStreams | None = None, sides: Sequence[str] = ("real", "fake")) -> DiscriminatorStep:
    """One update, whose score shows D everything through the input tricks of a stack. The logits of its sides are 0."""
    generator = generator or nn.Identity()
    stack = stack or built({}, generator, discriminator)
    real = images(8, seed=1) if real is None else real
    fake = images(8, seed=2) if fake is None else fake
    draws = draws or RandomStreams(seed=0, step=0)
    shown = {"real": real, "fake": fake}
    labels = {name: torch.arange(len(parts(side)[0])) % 3 for name, side in shown.items()}
    latents = torch.rand(len(labels["fake"]), getattr(generator, "latent_dim", 0),
                         generator=torch.Generator().manual_seed(3))
    return DiscriminatorStep(
        contest="", generator=generator, discriminator=discriminator, real=real, fake=fake, real_labels=labels["real"],
        fake_labels=labels["fake"], latents=latents, reals_are_made=False,
        images_seen=images_seen, batch_size=len(labels["real"]) * draws.num_processes, random=draws,
        loss=NonSaturating(), input_tricks=stack.discriminator_input,
        sides=tuple(Side(name, shown[name], labels[name], torch.zeros(len(labels[name]))) for name in sides))


def update(discriminator: nn.Module | None = None, *, generator: nn.Module | None = None, images_seen: int = 0,
           left_out: Tensor | None = None) -> Update:
    """What tricks are told after an update on 8 images."""
    return Update(images_seen, 8, RandomStreams(seed=0, step=0), generator or nn.Identity(),
                  discriminator or nn.Identity(), left_out)


def recipe(tricks: dict[str, Trick], *, discriminator: nn.Module | None = None, uses_targets: bool = True,
           **turns) -> Recipe:
    """What tricks ask of a recipe; the rest is None."""
    given = {"networks": {"generator": Generator(), "discriminator": discriminator or Patches()},
             "loss_name": "a_loss", "loss": SimpleNamespace(uses_targets=uses_targets), "tricks": tricks,
             "turns": Turns(**turns), "module": SynthesisModule}
    return Recipe(**{field.name: given.get(field.name) for field in fields(Recipe)})
