"""Leaves a file as saddlepoint-probe does, and probes nothing. With labels=0 it fails."""

import json
import shlex
import sys
from pathlib import Path

settings = dict(argument.split("=", 1) for argument in sys.argv[2:])
if settings.get("labels") == "0":
    sys.exit("labels=0 must be a whole number of at least 2")
file = Path(settings["run"]) / "probes" / f"labels{settings['labels']}.json"
file.parent.mkdir(exist_ok=True)
file.write_text(json.dumps({
    "metrics": [{"name": "error/discriminator", "value": 0.1}, {"name": "error/pixels", "value": 0.2}],
    "protocol": {"images_seen": 100}, "command": shlex.join(["probe.py", *sys.argv[2:]])}))
