"""The objects with which a callback measures: the extractor and the metrics of a run, its data and its game."""

from collections.abc import Callable, Mapping
from functools import cached_property

from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Metric


class EvaluationContext:
    """A run's data and game, with its extractor and all metrics that there are, which are built on first use.

    It is no dataclass, since Hydra would turn that into a dict.
    """

    def __init__(self, extractor: Callable[[], Extractor], metrics: Callable[[], Mapping[str, Metric]],
                 data: ImageDataModule, module: AdversarialModule):
        self.make_extractor, self.make_metrics, self.data, self.module = extractor, metrics, data, module

    @cached_property
    def extractor(self) -> Extractor:
        return self.make_extractor()

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return self.make_metrics()
