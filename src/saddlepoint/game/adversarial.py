"""The game: two networks, one adversarial loss, a list of tricks. The training step exists here and nowhere else.

N images of C channels and H x W pixels, float32 in [-1, 1]; M fakes, a multiple of N that the turns decide.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from saddlepoint.config.rules import NonNegative, set_by
from saddlepoint.game import scoring
from saddlepoint.game.batches import ImageBatch
from saddlepoint.game.loss import AdversarialLoss
from saddlepoint.game.modes import evaluating, frozen
from saddlepoint.game.optimizers import Optimizers
from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.step import Step, Targets
from saddlepoint.game.trick import Trick, TrickStack
from saddlepoint.game.turns import Turns


class AdversarialModule(pl.LightningModule):
    """The game of G against D (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1).

    One batch is one discriminator step; G moves when `turns` says so, on fresh noise. `images_seen` counts the real
    images that D was shown, over all processes; schedules, callbacks and the budget are measured in it.

    tricks: by the name typed in trick=[...], applied in this order
    adversarial_weight: factor on the adversarial term of G's loss, 0 or more
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, loss: AdversarialLoss,
                 tricks: Mapping[str, Trick], optimizers: Optimizers, turns: Turns,
                 seed: Annotated[int, set_by("seed")] = 0, adversarial_weight: NonNegative = 1.0):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = generator, discriminator
        self.tricks = TrickStack(tricks)
        self.tricks.build(generator, discriminator)
        self.loss, self.turns, self.players_optimizers = loss, turns, optimizers
        self.seed, self.adversarial_weight = seed, adversarial_weight
        self.score_batch = scoring.BY_NAME[turns.scoring]
        self.images_seen = self.discriminator_steps_taken = self.generator_steps_taken = self.budget_images = 0
        self.images_before = 0  # images_seen before the newest batch, for callbacks that act every so many images
        self.saved_optimizers: list[dict] = []  # state dicts from the checkpoint of a run that is resumed
        self.latest: dict[str, Tensor] = {}  # detached terms and logits of the newest step, for callbacks
        self.register_buffer("real_target", torch.tensor(1.0), persistent=False)
        self.register_buffer("fake_target", torch.tensor(0.0), persistent=False)

    # A task overrides these two. Its class method `problems(recipe)` yields what it cannot train with.

    def generate(self, batch: ImageBatch, count: int, random: RandomStreams) -> tuple[Tensor, Tensor]:
        """Returns fakes [count, C, H, W] in [-1, 1] and their labels [count]."""
        raise TypeError(f"{type(self).__name__} does not say how its fakes are made")

    def content_terms(self, batch: ImageBatch, fake: Tensor) -> dict[str, Tensor]:
        """Returns the terms [] of G's loss that neither the adversarial loss nor a trick adds, by name."""
        return {}

    def training_step(self, batch: ImageBatch, batch_index: int) -> None:
        self.images_before = self.images_seen
        generator_optimizer, discriminator_optimizer = self.optimizers()
        self.players_optimizers.apply_schedule((generator_optimizer, discriminator_optimizer), self.images_seen)
        if self.turns.discriminator_moves(self.images_seen):
            self.discriminator_turn(batch, discriminator_optimizer)
        for _ in range(self.turns.generator_moves(self.images_seen, self.discriminator_steps_taken)):
            self.generator_turn(batch, generator_optimizer)
        self.images_seen += len(batch.real) * self.trainer.world_size

    def discriminator_turn(self, batch: ImageBatch, optimizer) -> None:
        random = self.random_streams("discriminator", self.discriminator_steps_taken)
        with torch.no_grad(), evaluating(self.generator, self.turns.fakes_in_eval):
            fake, fake_labels = self.generate(batch, self.turns.discriminator_fakes(len(batch.real)), random)
        step = self.step(batch, random, fake, fake_labels)
        targets = self.tricks.targets(Targets(self.real_target, self.fake_target), step)
        summed: dict[str, Tensor] = {}  # terms over all updates: two where D scores half a batch at a time
        for adversarial, real_logits, fake_logits in self.score_batch(self.loss, step, targets):
            step = replace(step, real_logits=real_logits, fake_logits=fake_logits)
            terms = {"adversarial": adversarial} | self.tricks.discriminator_losses(step)
            for name, term in self.update(optimizer, terms).items():
                summed[name] = summed[name] + term if name in summed else term
            self.remember("logits", {"real": real_logits, "fake": fake_logits})
        self.remember("discriminator", summed)
        self.tricks.after_discriminator_step(step)
        self.discriminator_steps_taken += 1

    def generator_turn(self, batch: ImageBatch, optimizer) -> None:
        random = self.random_streams("generator", self.generator_steps_taken)
        with frozen(self.discriminator_parameters):
            fake, fake_labels = self.generate(batch, self.turns.generator_fakes(len(batch.real)), random)
            step, terms = self.step(batch, random, fake, fake_labels), self.content_terms(batch, fake)
            if self.turns.discriminator_moves(self.images_seen):  # else G warms up, on its content terms alone
                real_logits = step.score(step.real, step.real_labels) if self.loss.needs_real_logits else None
                step = replace(step, fake_logits=step.score(fake, fake_labels), real_logits=real_logits)
                adversarial = self.adversarial_weight * self.loss.generator(step.fake_logits, real_logits)
                terms = {"adversarial": adversarial} | terms | self.tricks.generator_losses(step)
            self.remember("generator", self.update(optimizer, terms))
        self.tricks.after_generator_step(step)
        self.generator_steps_taken += 1

    def update(self, optimizer, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Makes one optimizer step on the sum of `terms`; returns the terms and their `total`."""
        return terms | {"total": self.players_optimizers.step(self, optimizer, terms)}

    def remember(self, kind: str, tensors: dict[str, Tensor | None]) -> None:
        self.latest |= {f"{kind}/{name}": tensor.detach() for name, tensor in tensors.items() if tensor is not None}

    def step(self, batch: ImageBatch, random: RandomStreams, fake: Tensor, fake_labels: Tensor) -> Step:
        def prepare(images: Tensor) -> Tensor:
            return self.tricks.discriminator_input(images, step)

        def score(images: Tensor, labels: Tensor) -> Tensor:
            return self.discriminator(prepare(images), labels)

        step = Step(self.images_seen, len(batch.real) * random.num_processes, random, self.generator,
                    self.discriminator, prepare, score, batch.real, fake, batch.labels, fake_labels)
        return step

    def random_streams(self, player: str, step: int) -> RandomStreams:
        """Returns the random numbers of one update of `player`, and seeds layers that draw for themselves (dropout)."""
        random = RandomStreams(self.seed, step, self.device, self.trainer.global_rank, self.trainer.world_size, player)
        random.seed_networks()
        return random

    def on_train_start(self) -> None:
        self.players_optimizers.listen_to(self.trainer)

    def configure_optimizers(self):
        self.discriminator_parameters = [p for p in self.discriminator.parameters() if p.requires_grad]
        return self.players_optimizers.build(self.generator, self.discriminator, self.saved_optimizers)

    @property
    def sampling_generator(self) -> nn.Module:
        """The generator that draws images for grids, metrics and files: G, or the one a trick (EMA) gives instead."""
        return self.tricks.sampling_generator(self.generator)

    def get_extra_state(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTERS}

    def set_extra_state(self, state: dict[str, int]) -> None:
        for name in COUNTERS:
            setattr(self, name, int(state[name]))


COUNTERS = ("images_seen", "discriminator_steps_taken", "generator_steps_taken")
