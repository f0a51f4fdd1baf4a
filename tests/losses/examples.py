"""The losses, and logits to try them on."""

import numpy as np
import pytest
import torch

from saddlepoint.game.loss import SeparableLoss
from saddlepoint.game.step import Targets
from tests.in_conf import classes

LOSSES = [*classes("loss").values()]
SEPARABLE = [loss for loss in LOSSES if issubclass(loss, SeparableLoss)]
every_loss = pytest.mark.parametrize("loss", LOSSES)
HARD = Targets(torch.tensor(1.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64))
REAL = torch.tensor([0.3, -1.2, 2.0, 0.0], dtype=torch.float64)
FAKE = torch.tensor([-0.7, 0.4, -2.5, 1.1], dtype=torch.float64)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
