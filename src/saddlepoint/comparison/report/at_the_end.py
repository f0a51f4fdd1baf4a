"""A Hydra callback that writes a sweep's page when the sweep has ended.

It is a file of its own because Hydra imports it for every command, and the page's code only when it is needed.
"""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

WRITES_ITS_PAGE = "processes"  # a launcher that writes the page itself, also when jobs fail


class PageAtTheEnd(Callback):
    """A callback, named in conf/train.yaml under hydra.callbacks, for sweeps that other launchers run."""

    def on_multirun_end(self, config: DictConfig, **more: Any) -> None:
        if config.hydra.runtime.choices["hydra/launcher"] == WRITES_ITS_PAGE:
            return
        from saddlepoint.comparison.report.writing import write_page
        path = write_page(Path(config.hydra.sweep.dir))
        if path:
            print(path)
