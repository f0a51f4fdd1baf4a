"""A line that goes on with a run is about that run's data, model and other choices, whether or not it repeats them:
`resume=RUN data.root=FOLDER` names a setting of data=image_folder. Imports no torch."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.errors import HydraException

from saddlepoint.config import folders
from saddlepoint.config.overrides import OVERRIDE, SWEEP, parse, quote_path
from saddlepoint.runs.reading import Unreadable, mapping, read_settings

MAY_CHANGE = ("callbacks", "trainer", "logger")  # groups of which a run may go on with another choice


def with_choices_of_the_run(arguments: Sequence[str]) -> list[str]:
    """`arguments`, and before them the choices of the run that resume= names, where none of them is typed otherwise."""
    run = _run_of(arguments)
    if run is None or any(flag in SWEEP for flag in arguments):
        return [*arguments]
    chosen = {group: option for group, option in _choices(run).items() if _is_there(group, option)}
    typed = {match[2]: match[3] for argument in arguments if (match := OVERRIDE.match(argument))}
    if any(typed.get(group, option) != option for group, option in chosen.items() if group not in MAY_CHANGE):
        return [*arguments]  # another choice, which is refused: it would not fit those that belong to the run's own
    return [*(f"{group}={option}" for group, option in chosen.items() if group not in typed), *arguments]


def _run_of(arguments: Sequence[str]) -> Path | None:
    """The directory of a run with a checkpoint that these settings go on with"""
    named = {}
    for argument in arguments:
        match = OVERRIDE.match(argument)
        if match and match[2] in ("resume", "run.dir"):
            with suppress(HydraException):
                named[match[2]] = parse([quote_path(argument)])[0].value()
    where = named.get("run.dir") if named.get("resume") == "auto" else named.get("resume")
    with suppress(OSError, RuntimeError):  # a name that cannot be one is refused where it is used
        run = Path(where).expanduser() if isinstance(where, str) else Path()
        return run if any((run / "checkpoints").glob("last*.ckpt")) else None
    return None


def _choices(run: Path) -> dict[str, str]:
    try:
        choices = mapping(read_settings(run / "config.yaml"), "choices")
    except Unreadable:
        return {}
    found = {group: option for group, option in choices.items() if isinstance(option, str) and option
             and "@" not in group}  # those with @ come with another choice
    several = found.get("logger", "").split("+")
    return found | ({"logger": f"[{','.join(several)}]"} if len(several) > 1 else {})


def _is_there(group: str, option: str) -> bool:
    return {*option.strip("[]").split(",")} <= {*folders.options(group)}
