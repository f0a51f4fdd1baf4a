"""What callbacks that measure are handed: the extractor and the metrics of a run, its data and its game."""

from collections.abc import Callable, Mapping
from functools import cached_property

from saddlepoint.data.images import ImageDataModule
from saddlepoint.game.adversarial import AdversarialModule
from saddlepoint.metrics.extractors.extractor import Extractor
from saddlepoint.metrics.metric import Metric


class EvaluationContext:
    """What is measured, and with what: all the metrics there are. Extractor and metrics are built when somebody first
    asks for them. No dataclass, which Hydra would turn into a dict."""

    def __init__(self, extractor: Callable[[], Extractor], metrics: Callable[[], Mapping[str, Metric]],
                 data: ImageDataModule, module: AdversarialModule):
        self.make_extractor, self.make_metrics, self.data, self.module = extractor, metrics, data, module

    @cached_property
    def extractor(self) -> Extractor:
        return self.make_extractor()

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        return self.make_metrics()
