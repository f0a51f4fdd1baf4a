"""The page of a sweep whose jobs another launcher ran; hydra/launcher=processes writes its own, also when jobs fail."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

OURS = "processes"


class PageAtTheEnd(Callback):
    """In conf/train.yaml, under hydra.callbacks"""

    def on_multirun_end(self, config: DictConfig, **more: Any) -> None:
        if config.hydra.runtime.choices["hydra/launcher"] == OURS:
            return
        from saddlepoint.comparison.report.writing import write_page
        written = write_page(Path(config.hydra.sweep.dir))
        if written:
            print(written)
