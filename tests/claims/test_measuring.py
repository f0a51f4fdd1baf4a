"""Values that a command measures of completed runs: found in its files, made where they are missing."""

import json
import sys
from pathlib import Path

import pytest

from saddlepoint.claims import measuring
from saddlepoint.claims.measures import NoValue
from saddlepoint.claims.measuring import CommandValue, measure
from saddlepoint.runs.gathering import gather
from tests.runs.made_runs import make_run

PIXELS = CommandValue("probe", ("labels=20", "seed=1"), "error/pixels")


def run(folder, **more):
    made = make_run(folder / "run", images=100, **more)
    return made, gather([folder]).runs[0]


def write(folder: Path, name: str, command: str, value: float | None, images_seen: int = 100) -> None:
    (folder / "probes").mkdir(exist_ok=True)
    (folder / "probes" / name).write_text(json.dumps({
        "metrics": [{"name": "error/pixels", "value": value}], "protocol": {"images_seen": images_seen},
        "command": command}))


def test_a_value_is_that_of_the_file_with_these_settings_and_of_the_runs_last_images(tmp_path):
    folder, made = run(tmp_path)
    with pytest.raises(NoValue, match="error/pixels was not measured: type python -m saddlepoint.commands.probe run="):
        PIXELS.read(made)
    write(folder, "a.json", "probe.py run=x labels=20", 0.5)  # another seed
    write(folder, "b.json", "probe.py run=x labels=20 seed=1", 0.6, images_seen=50)  # before the end
    write(folder, "c.json", "probe.py run=x 'labels=20", 0.7)  # no shell's line
    with pytest.raises(NoValue, match="was not measured"):
        PIXELS.read(made)
    write(folder, "d.json", "python -m saddlepoint.commands.probe run='a b' labels=5 seed=1 threads=2 labels=20", 0.25)
    assert PIXELS.read(made) == 0.25
    with pytest.raises(NoValue, match="probe does not measure error/encoder, only error/pixels"):
        CommandValue("probe", PIXELS.settings, "error/encoder").read(made)


def test_a_command_is_called_once_for_all_its_values_and_only_where_they_are_missing(tmp_path, monkeypatch, capsys):
    _, made = run(tmp_path)
    monkeypatch.setattr(measuring, "CALL", (sys.executable, "-S", str(Path(__file__).with_name("stand_in_probe.py"))))
    values = [CommandValue("probe", ("labels=20",), name) for name in ("error/discriminator", "error/pixels")]
    measure([(made, values)])
    assert [value.read(made) for value in values] == [0.1, 0.2]
    measure([(made, values)])
    assert capsys.readouterr().out.count("probe of") == 1
    measure([(made, [CommandValue("probe", ("labels=0",), "error/pixels")])])
    assert "ended with exit code 1: labels=0 must be" in capsys.readouterr().err


def test_runs_that_did_not_complete_are_not_measured(tmp_path, monkeypatch):
    _, made = run(tmp_path, state="diverged")
    monkeypatch.setattr(measuring, "CALL", ("must not be called",))
    measure([(made, [PIXELS])])
