"""Leaves the files of a run as train.py does, without its recipe, and trains nothing. With the word `stops`, it is
stopped at first."""

import json
import os
import shlex
import sys
from pathlib import Path

settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
run, seed = Path(settings["run.dir"]), int(settings["seed"])
run.mkdir(parents=True, exist_ok=True)
going_on = (run / "status.json").exists()
if "resume" not in settings and going_on:
    sys.exit("not empty")
stops = "stops" in settings and not going_on
status = {"state": "stopped" if stops else "completed", "reason": "", "images_seen": 100,
          "started": "2099-01-01T00:00:00+00:00"}
environment = {"command": shlex.join(["train.py", *sys.argv[1:]]), "revision": os.environ["REVISION"], "changes": [],
               "host": "elsewhere", "processor": "made"}
value = (5.0 if settings.get("trick") == "[r1]" else 10.0) * (1 + seed / 100)
metrics = {"metrics": [{"name": "fid_digits", "value": value, "images_seen": 100, "protocol": {}}],
           "cost": {"seconds": 60.0}}
for name, content in (("config.yaml", {"seed": seed}),  # JSON is yaml
                      ("environment.json", environment), ("metrics.json", {} if stops else metrics),
                      ("status.json", status)):
    (run / name).write_text(json.dumps(content))
sys.exit(143 if stops else 0)
