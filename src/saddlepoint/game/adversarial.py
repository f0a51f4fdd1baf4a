"""The game: two networks, one adversarial loss, an ordered stack of tricks. The step exists here and nowhere else.

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
    """min over G, max over D (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1).

    One batch is one discriminator step; G moves when `turns` says so, on fresh noise. `images_seen`, the clock of
    everything, counts the real images D was shown over all processes.

    generator, discriminator: the networks
    loss: what both players minimise
    tricks: by name, in the order in which they are applied
    optimizers: one a network, and the schedule of their learning rates
    turns: who moves when
    seed: of every random number of the game, 0 or more
    adversarial_weight: 0 or more, of the game in G's loss
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
        self.images_before = 0  # where the newest batch began, for callbacks that act at moments
        self.saved_optimizers: list[dict] = []  # their states, where a run goes on
        self.latest: dict[str, Tensor] = {}  # detached terms and logits of the newest step, for those who look
        self.register_buffer("real_target", torch.tensor(1.0), persistent=False)
        self.register_buffer("fake_target", torch.tensor(0.0), persistent=False)

    # What a task overrides; its class method `problems(recipe)` says what it cannot do.

    def generate(self, batch: ImageBatch, count: int, random: RandomStreams) -> tuple[Tensor, Tensor]:
        """-> fakes [count, C, H, W], their labels [count]"""
        raise TypeError(f"{type(self).__name__} does not say how its fakes are made")

    def content_terms(self, batch: ImageBatch, fake: Tensor) -> dict[str, Tensor]:
        """What the generator's loss contains beside the game and the tricks."""
        return {}

    # The game.

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
        played: dict[str, Tensor] = {}  # summed over the updates, which are two when half a batch is scored alone
        for adversarial, real_logits, fake_logits in self.score_batch(self.loss, step, targets):
            step = replace(step, real_logits=real_logits, fake_logits=fake_logits)
            terms = {"adversarial": adversarial} | self.tricks.discriminator_losses(step)
            for name, term in self.update(optimizer, terms).items():
                played[name] = played[name] + term if name in played else term
            self.remember("logits", {"real": real_logits, "fake": fake_logits})
        self.remember("discriminator", played)
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
        """-> the terms and their total"""
        return terms | {"total": self.players_optimizers.step(self, optimizer, terms)}

    def remember(self, kind: str, tensors: dict[str, Tensor | None]) -> None:
        self.latest |= {f"{kind}/{name}": tensor.detach() for name, tensor in tensors.items() if tensor is not None}

    # What the step is made of.

    def step(self, batch: ImageBatch, random: RandomStreams, fake: Tensor, fake_labels: Tensor) -> Step:
        def prepare(images: Tensor) -> Tensor:
            return self.tricks.discriminator_input(images, step)

        def score(images: Tensor, labels: Tensor) -> Tensor:
            return self.discriminator(prepare(images), labels)

        batch_size = len(batch.real) * random.num_processes
        step = Step(self.images_seen, batch_size, random, self.generator, self.discriminator, prepare, score,
                    real=batch.real, fake=fake, real_labels=batch.labels, fake_labels=fake_labels)
        return step

    def random_streams(self, player: str, step: int) -> RandomStreams:
        """The update's random numbers; layers that draw for themselves are seeded on the way."""
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
        """Who draws images for people, metrics and files: G itself, or what a trick (EMA) puts in its place."""
        return self.tricks.sampling_generator(self.generator)

    def get_extra_state(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTERS}

    def set_extra_state(self, state: dict[str, int]) -> None:
        for name in COUNTERS:
            setattr(self, name, int(state[name]))


COUNTERS = ("images_seen", "discriminator_steps_taken", "generator_steps_taken")
