"""What takes long to import of what our commands import; see warm.py."""

import optuna  # noqa: F401
import tensorboard.compat.proto.event_pb2  # noqa: F401
import torch._dynamo  # noqa: F401  (the first step of an optimizer imports it)
import torch.utils.tensorboard  # noqa: F401

import saddlepoint.commands.evaluation  # noqa: F401
import saddlepoint.training.train  # noqa: F401
