"""Adds a run's own choices of data, model and other groups to the command line that resumes it. Imports no torch.

So `resume=RUN data.root=FOLDER` composes with data=image_folder, which has that setting, though it is not typed
again."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.errors import HydraException

from saddlepoint.config import folders
from saddlepoint.config.overrides import OVERRIDE, SWEEP, as_choice, parse, quote_path
from saddlepoint.runs.reading import Unreadable, mapping, read_settings

MAY_CHANGE = ("callbacks", "trainer", "logger")  # groups whose choice may change when a run is resumed


def with_choices_of_the_run(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with the choices of the run that resume= names in front, unless they are typed. Returns the
    arguments alone if they choose otherwise, or resume no run."""
    run = _resumed_run(arguments)
    if run is None or any(flag in SWEEP for flag in arguments):
        return [*arguments]
    chosen = {group: option for group, option in _choices(run).items() if _exists(group, option)}
    typed = {match[2]: match[3] for argument in map(as_choice, arguments) if (match := OVERRIDE.match(argument))}
    decisive = {group: option for group, option in chosen.items() if group not in MAY_CHANGE and "/" not in group}
    if any(typed.get(group, option) != option for group, option in decisive.items()):
        return [*arguments]  # refused later; the run's other choices might not fit this one
    return [*(f"{group}={option}" for group, option in chosen.items() if group not in typed), *arguments]


def _resumed_run(arguments: Sequence[str]) -> Path | None:
    """Returns the directory of the run that these arguments resume, if it has a checkpoint; else None."""
    values = {}
    for argument in arguments:
        match = OVERRIDE.match(argument)
        if match and match[2] in ("resume", "run.dir"):
            with suppress(HydraException):
                values[match[2]] = parse([quote_path(argument)])[0].value()
    name = values.get("run.dir") if values.get("resume") == "auto" else values.get("resume")
    with suppress(OSError, RuntimeError):  # a name that no file can have is refused where it is used
        run = Path(name).expanduser() if isinstance(name, str) else Path()
        return run if any((run / "checkpoints").glob("last*.ckpt")) else None
    return None


def _choices(run: Path) -> dict[str, str]:
    try:
        choices = mapping(read_settings(run / "config.yaml"), "choices")
    except Unreadable:
        return {}
    options = {group: option for group, option in choices.items() if isinstance(option, str) and option
               and "@" not in group}  # groups with @ are chosen by the option of another group
    loggers = options.get("logger", "").split("+")
    return options | ({"logger": f"[{','.join(loggers)}]"} if len(loggers) > 1 else {})


def _exists(group: str, option: str) -> bool:
    return {*option.strip("[]").split(",")} <= {*folders.options(group)}
