"""The points of a data set as metrics use them. N points of D coordinates."""

import hashlib

from torch import Tensor

from saddlepoint.data.evaluation_images import Block, EvaluationImages


class EvaluationPoints(EvaluationImages):
    """Points in memory, in the place of images: they reach an extractor as they are, in float32.

    Values compare only if they were measured against the same points. So these must be the same for every seed of a
    run.

    name, split: of the data set, and `train` or `test`
    points: [N, D] float32
    labels: [N] int64, the mode of each; 0 where labels are not used
    """

    framing = "none"
    image_size = 1  # a point is an image of one pixel and D channels to what knows images alone

    def __init__(self, name: str, split: str, points: Tensor, labels: Tensor):
        super().__init__(name, split, labels)
        self.points = points.float()
        self.channels = self.dimensions = points.shape[1]

    def subset(self, indices: Tensor) -> "EvaluationPoints":
        return EvaluationPoints(self.name, self.split, self.points[indices], self.labels[indices])

    def block(self, indices: range) -> Block:
        rows = slice(indices.start, indices.stop)
        return Block(self.points[rows], self.labels[rows], {})

    def identity(self) -> str:
        content = hashlib.sha256(self.points.contiguous().numpy().data)
        content.update(self.labels.contiguous().numpy().data)
        return f"{content.hexdigest()} {tuple(self.points.shape)} points"
