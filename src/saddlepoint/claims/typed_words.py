"""Says which typed words make a run what it is, so that runs with the same words are made once."""

import shlex
from collections.abc import Iterable

from saddlepoint.config.overrides import overrides_in
from saddlepoint.sweeps.naming import setting

Words = tuple[str, ...]
OF_ONE_RUN = ("seed", "run.dir", "resume", "hydra")  # its seed, its place and its sweep
ONLY_WATCHES = ("callbacks", "logger", "threads", "trainer")  # and what it is computed on


def effective(words: Iterable[str]) -> Words:
    """Returns the words that have an effect, sorted: of several for one setting the last one, as Hydra has it, and none
    for the seed or the place of a run."""
    last = {setting(word): word for word in words}
    return tuple(sorted(word for name, word in last.items() if name.partition(".")[0] not in OF_ONE_RUN
                        and name not in OF_ONE_RUN))


def of_recipe(words: Iterable[str]) -> Words:
    """Returns the effective words that may change what is learnt: none for what only watches, nor for the device."""
    return tuple(word for word in effective(words) if setting(word).partition(".")[0] not in ONLY_WATCHES)


def of_command(line: str) -> Words:
    """Returns the effective words of a command line as environment.json has it; none of what is no shell's line."""
    try:
        words = shlex.split(line)
    except ValueError:
        return ()
    return effective(overrides_in(words))
