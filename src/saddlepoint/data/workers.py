"""Says how many processes load, and how they behave."""

import os
import signal


def usable_cores() -> int:
    """Returns how many cores this process may use: those it is bound to, or fewer if its container is given the time of
    fewer."""
    bound_to = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound_to, _quota() or bound_to))


def _quota() -> int | None:
    """Returns the cores whose time a container may use, rounded up, as Linux's control groups say; None: no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123
            time, period = file.read().split()
        return None if time == "max" else -(-int(time) // int(period))
    except (OSError, ValueError):
        return None


def leave_signals_to_the_main_process(worker: int) -> None:
    """Makes a worker ignore the signals of Ctrl-C and of schedulers, which reach it too.

    A worker that dies of one breaks off the main process's step. That process finishes its step and then ends its
    workers. The handler that they inherit from it would only set a flag that nobody reads.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(each, signal.SIG_IGN)
