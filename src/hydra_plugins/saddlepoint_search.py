"""Holds the sweeper of `hydra/sweeper=search`, which tries settings that Optuna proposes.

Hydra finds sweepers in this namespace only, and imports this file for every command. So the package
saddlepoint.sweeps.search, which does the work, is imported when a search begins.
"""

from collections.abc import Mapping, Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """A sweeper that runs a search with Optuna; conf/hydra/sweeper/search.yaml explains the settings.

    trials: number of trials, including those of earlier searches in the directory, 1 or more
    space: setting -> its values in Hydra's grammar, in addition to those that are typed
    metric: the score to optimise, without its extractor; None: the first one that training measures
    value: which measurement of a trial counts, `last` or `best`
    direction: `minimize` or `maximize`; None: the one that is better for the metric
    sampler: `tpe` or `random`
    sampler_startup_trials: trials that tpe draws at random before it learns
    seed: of the sampler, 0 to 2^63 - 1
    pruner: `none`, `median`, `percentile` or `hyperband`
    pruner_startup_trials: completed trials that are needed before `median` or `percentile` prunes any
    pruner_warmup_images: images seen before which no trial is pruned; the first rung of `hyperband`
    percentile: percent of the trials that the pruner `percentile` lets go on, the best ones
    """

    def __init__(self, trials: int, space: Mapping[str, str] | None, metric: str | None, value: str,
                 direction: str | None, sampler: str, sampler_startup_trials: int, seed: int, pruner: str,
                 pruner_startup_trials: int, pruner_warmup_images: int, percentile: float):
        self.trials, self.space = trials, space
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
        """Runs the search over the typed overrides. It returns nothing to Hydra: how the trials ended is reported here
        and by the exit code."""
        from saddlepoint.commands.command_line import reported
        from saddlepoint.sweeps.search import checks
        from saddlepoint.sweeps.search.objective import choose_objective, measured_alike
        from saddlepoint.sweeps.search.space import read_space
        space = read_space(arguments, self.space, self.loader)
        settings = checks.shared_settings(space, self.config, self.loader)
        space, objective = measured_alike(space, settings), choose_objective(settings, **self.objective)
        with reported():
            from saddlepoint.sweeps.search.search import Plan, search
            from saddlepoint.sweeps.search.study import Method
            _, end = search(self.launcher.request, Plan(space, objective, Method(**self.method), self.trials))
            if end:
                raise end
        return []
