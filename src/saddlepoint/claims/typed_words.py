"""Says which typed words make a run what it is, so that runs with the same words are made once."""

import shlex
from collections.abc import Iterable

from saddlepoint.config.overrides import overrides_in
from saddlepoint.runs.recipe import SYNCHRONISE_BATCHNORM
from saddlepoint.sweeps.naming import setting

Words = tuple[str, ...]
OF_ONE_RUN = ("seed", "run.dir", "resume", "hydra")  # its seed, its place and its sweep
ONLY_WATCHES = ("callbacks", "logger", "threads", "trainer")  # and what it is computed on
LOOK_ONLY = ("image_grid", "point_clouds", "voxel_pictures", "reconstructions", "realest_and_fakest", "histograms",
             "scalars", "progress", "checkpointing")  # callbacks
WHEN_OR_WHICH = ("every_images", "moments", "metric")  # settings of callbacks that measure


def effective(words: Iterable[str]) -> Words:
    """Returns the words that have an effect, sorted: of several for one setting the last one, as Hydra has it, and none
    for the seed or the place of a run."""
    last = {setting(word): word for word in words}
    return tuple(sorted(word for name, word in last.items() if name.partition(".")[0] not in OF_ONE_RUN
                        and name not in OF_ONE_RUN))


def of_recipe(words: Iterable[str]) -> Words:
    """Returns the effective words that may change what is learnt or measured: none of what only watches, nor of the
    device."""
    return tuple(word for word in effective(words) if not _only_watches(setting(word)))


def _only_watches(name: str) -> bool:
    """Returns whether a setting changes no value. Of callbacks, these say when they act and which values there are."""
    if name == SYNCHRONISE_BATCHNORM:
        return False
    group, *place = name.split(".")
    acts = group == "callbacks" and len(place) > 1 and place[0] not in LOOK_ONLY and place[-1] not in WHEN_OR_WHICH
    return group in ONLY_WATCHES and not acts


def of_command(line: str) -> Words:
    """Returns the effective words of a command line as environment.json has it; none of what is no shell's line."""
    try:
        words = shlex.split(line)
    except ValueError:
        return ()
    return effective(overrides_in(words))
