"""Games small enough to be replayed by hand. Images are [N, 1, 2, 2], float64, so comparisons are sharp."""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.latents import Latents
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Schedule
from saddlepoint.game.synthesis import SynthesisModule
from saddlepoint.game.trick import Trick
from saddlepoint.game.turns import Turns
from saddlepoint.losses.adversarial import NonSaturating
from saddlepoint.training.train import quieten_lightning

quieten_lightning()
LATENTS = 3


class TinyGenerator(nn.Module):
    latent_dim = LATENTS

    def __init__(self, normalization: bool = False):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(LATENTS, 4), nn.BatchNorm1d(4) if normalization else nn.Identity())

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return self.layers(latents.to(self.layers[0].weight.dtype)).tanh().view(-1, 1, 2, 2)


class TinyDiscriminator(nn.Module):
    """Remembers the lengths of the batches it scored."""

    def __init__(self, normalization: bool = False, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5) if normalization else nn.Identity(),
                                    nn.Softplus(), nn.Dropout(dropout), nn.Linear(5, 1))
        self.scored: list[int] = []

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self.scored.append(len(images))
        return self.layers(images.flatten(1)).squeeze(1)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def game(turns: Turns | None = None, loss: AdversarialLoss | None = None, tricks: dict[str, Trick] | None = None,
         generator: nn.Module | None = None, discriminator: nn.Module | None = None, seed: int = 5,
         schedule: Schedule | float = 1.0, num_classes: int = 0) -> SynthesisModule:
    torch.manual_seed(1)
    return SynthesisModule(
        Latents(LATENTS), num_classes, generator=(generator or TinyGenerator()).double(),
        discriminator=(discriminator or TinyDiscriminator()).double(), loss=loss or NonSaturating(),
        tricks=tricks or {}, optimizers=Optimizers(sgd, sgd, schedule), turns=turns or Turns(), seed=seed)


def batches(count: int, size: int = 8) -> list[ImageBatch]:
    generator = torch.Generator().manual_seed(3)
    return [ImageBatch(torch.rand(size, 1, 2, 2, generator=generator).double() * 2 - 1,
                       torch.zeros(size, dtype=torch.long)) for _ in range(count)]


class Recorder(pl.Callback):
    """What the game looked like after each batch."""

    def __init__(self):
        self.steps: list[tuple[int, int, int]] = []
        self.generators: list[Tensor] = []
        self.discriminators: list[Tensor] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index) -> None:
        self.steps.append((module.images_seen, module.discriminator_steps_taken, module.generator_steps_taken))
        self.generators.append(weights(module.generator))
        self.discriminators.append(weights(module.discriminator))


def weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten().clone() for parameter in network.parameters()])


def play(module: pl.LightningModule, data: list[ImageBatch], *callbacks: pl.Callback) -> Recorder:
    recorder = Recorder()
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
                         enable_progress_bar=False, enable_model_summary=False, callbacks=[*callbacks, recorder])
    trainer.fit(module, DataLoader(data, batch_size=None))
    return recorder


def latents(player: str, step: int, count: int = 8) -> Tensor:
    """What a game of seed 5 draws in this update of a player"""
    return RandomStreams(5, step, player=player).normal("latents", (count, LATENTS)).double()


def moved(networks: list[nn.Module], loss: Tensor) -> None:
    """One step of gradient descent with the rate of playing.sgd"""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= 0.1 * (0 if gradient is None else gradient)


def same(*pairs: tuple[nn.Module, nn.Module]) -> None:
    for ours, theirs in pairs:
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-12, atol=1e-14)


class Later:
    """Reads a number as a GPU's is read: as it was, but only when somebody asks for it."""

    read_at: list[int] = []
    step = 0

    def __init__(self, device):
        self.number = None

    def start(self, number):
        Later.step += 1
        self.number, self.started = number.clone(), Later.step

    def read(self):
        Later.read_at.append(Later.step - self.started)
        return self.number.item()
