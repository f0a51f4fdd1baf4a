"""Says whether a run has the recipe that its typed words make today: the yaml files that they name may have changed."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from saddlepoint.claims.results import Result
from saddlepoint.claims.typed_words import Words
from saddlepoint.config.check import put_single_names_in_lists
from saddlepoint.config.composing import composed
from saddlepoint.config.former import in_todays_words
from saddlepoint.errors import RequestError
from saddlepoint.runs.recipe import recipe
from saddlepoint.sweeps.naming import setting

# Files of first weights: the words name them, and a run has recorded their content instead.
FIRST_WEIGHTS = ("model.initialise", "model.initialise_discriminator")
MOST_NAMED = 3  # settings, in words
ABSENT = object()


def recorded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the recipe of a run's settings as the results file keeps it: the settings that count, nested as in
    config.yaml; {} of settings without a model, which are no run's."""
    nested: dict[str, Any] = {}
    for path, value in _counting(settings).items() if settings.get("model") else ():
        *parents, name = path.split(".")
        holder = nested
        for parent in parents:
            holder = holder.setdefault(parent, {})
        holder[name] = value
    return nested


def _counting(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in recipe(settings).items() if path not in FIRST_WEIGHTS}


def change(result: Result) -> str:
    """Returns in which settings the recipe of a run differs from that of the same words today; an empty text if it is
    the same, if the run has recorded none, or if the words name an extension's folder, whose settings are not read
    here."""
    if not result.recipe or any(setting(word) == "extensions" for word in result.words):
        return ""
    try:
        # composing takes a second, and few words make another recipe of another seed
        seed = (f"seed={result.seed}",) if any("seed" in word for word in result.words) else ()
        today = _of_words((*result.words, *seed))
    except (RequestError, HydraException, OmegaConfBaseException) as error:
        return f"its words make no recipe today ({str(error).strip().splitlines()[0]})"
    then = _counting(in_todays_words(result.recipe))
    differing = [path for path in sorted({*then, *today})
                 if repr(then.get(path, ABSENT)) != repr(today.get(path, ABSENT))]
    named = [f"{path} was {_shown(then, path)} and is {_shown(today, path)}" for path in differing[:MOST_NAMED]]
    more = f", and {len(differing) - MOST_NAMED} more" if differing[MOST_NAMED:] else ""
    return f"its recipe is not the one that its words make today: {', '.join(named)}{more}" if named else ""


@cache
def _of_words(words: Words) -> dict[str, Any]:
    settings = OmegaConf.to_container(composed(words)[0], resolve=True)
    put_single_names_in_lists(settings)
    return _counting(settings)


def _shown(values: Mapping[str, Any], path: str) -> str:
    return str(values[path]) if path in values else "not there"
