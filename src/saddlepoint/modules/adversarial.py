"""The game: two networks, one adversarial loss, an ordered stack of tricks. The step exists here and nowhere else.

N images of C channels and H x W pixels, float32 in [-1, 1]; M fakes, a multiple of N that the turns decide.
"""

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from saddlepoint.batches import ImageBatch
from saddlepoint.losses.adversarial import AdversarialLoss
from saddlepoint.modules import scoring
from saddlepoint.modules.draws import Draws
from saddlepoint.modules.optimizers import Optimizers
from saddlepoint.modules.turns import Turns
from saddlepoint.tricks.trick import Step, Targets, Trick, TrickStack


class AdversarialModule(pl.LightningModule):
    """min over G, max over D (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, algorithm 1).

    One batch is one discriminator step; the generator moves when `turns` says so, on fresh noise. `images_seen` counts
    the real images D was shown, over all processes, and is the clock of everything.
    """

    def __init__(self, generator: nn.Module, discriminator: nn.Module, loss: AdversarialLoss,
                 tricks: Mapping[str, Trick], optimizers: Optimizers, turns: Turns, seed: int = 0,
                 adversarial_weight: float = 1.0):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = generator, discriminator
        self.tricks = TrickStack(tricks)
        self.tricks.build(generator, discriminator)
        self.loss, self.turns, self.players_optimizers = loss, turns, optimizers
        self.seed, self.adversarial_weight = seed, adversarial_weight
        self.score_batch = scoring.BY_NAME[turns.scoring]
        self.images_seen = self.discriminator_steps_taken = self.generator_steps_taken = 0
        self.images_before = 0  # where the newest batch began, for callbacks that act at moments
        self.latest: dict[str, Tensor] = {}  # detached terms and logits of the newest step, for those who look
        self.register_buffer("real_target", torch.tensor(1.0), persistent=False)
        self.register_buffer("fake_target", torch.tensor(0.0), persistent=False)

    # What a task overrides.

    def generate(self, batch: ImageBatch, count: int, draws: Draws) -> tuple[Tensor, Tensor]:
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
        draws = self.draws("discriminator", self.discriminator_steps_taken)
        with torch.no_grad(), self.generator_mode():
            fake, fake_labels = self.generate(batch, self.turns.discriminator_fakes(len(batch.real)), draws)
        step = self.step(batch, draws, fake, fake_labels)
        targets = self.tricks.targets(Targets(self.real_target, self.fake_target), step)
        for adversarial, real_logits, fake_logits in self.score_batch(self.loss, step, targets):
            step = replace(step, real_logits=real_logits, fake_logits=fake_logits)
            terms = {"adversarial": adversarial} | self.tricks.discriminator_losses(step)
            self.update(optimizer, "discriminator", terms)
            self.remember({"logits/real": real_logits, "logits/fake": fake_logits})
        self.tricks.after_discriminator_step(step)
        self.discriminator_steps_taken += 1

    def generator_turn(self, batch: ImageBatch, optimizer) -> None:
        draws = self.draws("generator", self.generator_steps_taken)
        with self.frozen_discriminator():
            fake, fake_labels = self.generate(batch, self.turns.generator_fakes(len(batch.real)), draws)
            step = self.step(batch, draws, fake, fake_labels)
            real_logits = self.reals_for_the_generator(step)
            step = replace(step, fake_logits=step.score(fake, fake_labels), real_logits=real_logits)
            adversarial = self.adversarial_weight * self.loss.generator(step.fake_logits, real_logits)
            terms = {"adversarial": adversarial} | self.content_terms(batch, fake) | self.tricks.generator_losses(step)
            self.update(optimizer, "generator", terms)
        self.tricks.after_generator_step(step)
        self.generator_steps_taken += 1

    def reals_for_the_generator(self, step: Step) -> Tensor | None:
        if not self.loss.needs_real_logits:
            return None
        with torch.no_grad():
            return step.score(step.real, step.real_labels)

    def update(self, optimizer, player: str, terms: dict[str, Tensor]) -> None:
        total = sum(terms.values())
        optimizer.zero_grad()
        self.manual_backward(total)
        optimizer.step()
        self.remember({f"{player}/{name}": term for name, term in terms.items()} | {f"{player}/total": total})

    # What the step is made of.

    def step(self, batch: ImageBatch, draws: Draws, fake: Tensor, fake_labels: Tensor) -> Step:
        def score(images: Tensor, labels: Tensor) -> Tensor:
            return self.discriminator(self.tricks.discriminator_input(images, step), labels)

        step = Step(
            images_seen=self.images_seen, batch_size=len(batch.real) * draws.num_processes, draws=draws,
            generator=self.generator, discriminator=self.discriminator, score=score,
            real=batch.real, fake=fake, real_labels=batch.labels, fake_labels=fake_labels,
        )
        return step

    def draws(self, player: str, step: int) -> Draws:
        draws = Draws(self.seed, step, self.device, self.trainer.global_rank, self.trainer.world_size, player)
        draws.seed_networks()
        return draws

    @contextmanager
    def generator_mode(self):
        """Fakes for D come from G in training mode, or in evaluation mode when the turns say so."""
        if not self.turns.fakes_in_eval:
            yield
            return
        self.generator.eval()
        try:
            yield
        finally:
            self.generator.train()

    @contextmanager
    def frozen_discriminator(self):
        """The generator's loss flows through D without leaving gradients there."""
        for parameter in self.discriminator_parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.discriminator_parameters:
                parameter.requires_grad_(True)

    def remember(self, tensors: dict[str, Tensor | None]) -> None:
        self.latest.update((name, tensor.detach()) for name, tensor in tensors.items() if tensor is not None)

    # State.

    def configure_optimizers(self):
        self.discriminator_parameters = [p for p in self.discriminator.parameters() if p.requires_grad]
        return self.players_optimizers.build(self.generator, self.discriminator)

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
