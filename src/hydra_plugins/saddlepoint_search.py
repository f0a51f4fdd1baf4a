"""hydra/sweeper=search: settings that Optuna proposes, see saddlepoint.sweeps.search.

Hydra finds sweepers in this namespace only, and imports this file for every command, so the rest is imported when a
search begins.
"""

from collections.abc import Mapping, Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """conf/hydra/sweeper/search.yaml explains the arguments."""

    def __init__(self, trials: int, space: Mapping[str, str] | None, metric: str | None, value: str,
                 direction: str | None, sampler: str, sampler_startup_trials: int, seed: int, pruner: str,
                 pruner_startup_trials: int, pruner_warmup_images: int, percentile: float):
        self.trials, self.written = trials, space
        self.objective = {"metric": metric, "value": value, "direction": direction}
        self.method = {"sampler": sampler, "sampler_startup_trials": sampler_startup_trials, "seed": seed,
                       "pruner": pruner, "pruner_startup_trials": pruner_startup_trials,
                       "pruner_warmup_images": pruner_warmup_images, "percentile": percentile}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        from saddlepoint.sweeps.search import checks
        checks.refuse(config)
        self.config, self.loader = config, hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config)
        checks.refuse_again(self.launcher.request.again)

    def sweep(self, arguments: Sequence[str]) -> list[JobReturn]:
        """`arguments`: the settings as typed. Nothing is returned to Hydra: what became of the trials is said here and
        in the exit code."""
        from saddlepoint.commands.command_line import reported
        from saddlepoint.sweeps.search import checks
        from saddlepoint.sweeps.search.objective import objective_of
        from saddlepoint.sweeps.search.space import space_of
        space = space_of(arguments, self.written, self.loader)
        settings = checks.shared_settings(space, self.config, self.loader)
        objective = objective_of(settings, **self.objective)
        with reported():
            from saddlepoint.sweeps.search.search import Plan, search
            from saddlepoint.sweeps.search.study import Method
            _, end = search(self.launcher.request, Plan(space, objective, Method(**self.method), self.trials))
            if end:
                raise end
        return []
