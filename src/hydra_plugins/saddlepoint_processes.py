"""Holds the launcher of `hydra/launcher=processes`, which runs each job of a sweep as a process of its own.

Hydra finds launchers in this namespace only, and imports this file for every command. So the package
saddlepoint.sweeps, which does the work, is imported when a sweep begins.
"""

import os
import sys
from collections.abc import Sequence

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

OF_THE_SWEEP = ("hydra.launcher", "hydra/launcher", "hydra.sweep", "hydra/sweep", "hydra.mode")  # not passed to jobs


class ProcessesLauncher(Launcher):
    """A launcher that runs each job as a process of its own; conf/hydra/launcher/processes.yaml explains the settings.

    jobs_at_once: how many jobs run at a time, 1 or more; None: jobs_per_gpu for each GPU, without GPUs one for every 4
        cores
    jobs_per_gpu: how many jobs may share a GPU, 1 or more; each gets an equal share of its memory
    hang_minutes: minutes without progress after which a job is ended; None: no limit
    limit_minutes: minutes after which one start of a job is ended; None: no limit
    grace_seconds: seconds that a job has for its checkpoint when it is asked to end
    again: states, e.g. failed, after which a job runs again when the sweep is continued
    """

    def __init__(self, jobs_at_once: int | None, jobs_per_gpu: int, hang_minutes: float | None,
                 limit_minutes: float | None, grace_seconds: float, again: Sequence[str]):
        self.jobs_at_once, self.jobs_per_gpu, self.again = jobs_at_once, jobs_per_gpu, again
        self.limits = {"hang_minutes": hang_minutes, "limit_minutes": limit_minutes, "grace_seconds": grace_seconds}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from saddlepoint import environment
        from saddlepoint.comparison.report.writing import write_page
        from saddlepoint.config import check
        from saddlepoint.config.overrides import SWEEP, SWEEP_DIRECTORY, overrides_in
        from saddlepoint.config.typed_paths import expanded
        from saddlepoint.files.outputs import require_writable
        from saddlepoint.sweeps import launch_checks, machine
        from saddlepoint.sweeps.runner import Limits
        from saddlepoint.sweeps.sweep import Request
        check.checked_settings(OmegaConf.create({"hydra": {"launcher": config.hydra.launcher}}))
        launch_checks.refuse_single_runs([*config.hydra.overrides.task, *config.hydra.overrides.hydra], os.environ)
        launch_checks.refuse_shared_mistakes(config)
        trainer = config.get("trainer", {})
        gpus = [] if trainer.get("accelerator") == "cpu" else machine.gpus()
        shares = machine.shares(gpus, trainer.get("devices", 1))
        launch_checks.refuse_places(self.jobs_at_once, self.jobs_per_gpu, gpus, shares, trainer)
        directory = expanded(config.hydra.sweep.dir, SWEEP_DIRECTORY)
        require_writable(directory / "summary.json", f"hydra.sweep.dir={directory}")  # before Hydra makes the folder
        places = machine.places(self.jobs_at_once, shares, self.jobs_per_gpu, machine.cores())
        threads = machine.threads(len(places), trainer.get("devices", 1) or 1, machine.cores())
        settings = [each for each in config.hydra.overrides.hydra if not each.startswith(OF_THE_SWEEP)]
        flags = [each for each in sys.argv[1:] if each not in {*overrides_in(sys.argv[1:]), *SWEEP}]
        os.environ[environment.CALLED] = environment.way_of_calling()  # jobs print lines as this one was typed
        self.request = Request(
            directory, [sys.executable, "-P", "-m", "saddlepoint.commands.train"], environment.program("train"),
            [*([f"threads={threads}"] if threads else []), *settings, *flags], places, Limits(**self.limits),
            list(self.again), environment.typed(), write_page)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs the jobs and returns their final scores, None where there is none. Jobs that are not completed are
        reported here and by the exit code, since Hydra knows of no such end."""
        from saddlepoint.commands.command_line import reported
        from saddlepoint.sweeps.sweep import sweep
        jobs = []
        with reported():
            jobs, end = sweep(self.request, job_overrides)
            if end:
                raise end
        return [JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, working_dir=job.directory,
                          _return_value=job.final_score) for job in jobs]
