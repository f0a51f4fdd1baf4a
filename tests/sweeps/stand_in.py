"""Behaves like train.py in its files, signals and exit codes, and trains nothing. `job=` says how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
job, run, going_on = settings["job"], Path(settings["run.dir"]), "resume" in settings


def status(state: str, reason: str = "", images_seen: int = 0) -> None:
    (run / "status.json.new").write_text(json.dumps({"state": state, "reason": reason, "images_seen": images_seen,
                                                     "started": "2026-01-01", "ended": None}))
    (run / "status.json.new").replace(run / "status.json")


def stop(number: int, frame: object) -> None:
    (run / "checkpoints" / "last.ckpt").write_text("whole")
    status("stopped", f"Stopped by {signal.Signals(number).name}", 40)
    sys.exit(130 if number == signal.SIGINT else 143)


if job == "impossible":
    print("warning: beside\nThis recipe cannot train:\n  - an impossible loss\nType instead:\n  another", flush=True)
    sys.exit(2)
if run.exists() and not going_on:
    sys.exit(f"run.dir={run} is not empty")
(run / "checkpoints").mkdir(parents=True, exist_ok=True)
for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
    signal.signal(each, signal.SIG_IGN if job == "deaf" else stop)
(run / "config.yaml").write_text(f"job: {job}\nbudget:\n  images: 80\n")
status("running")
(run / "metrics.csv").write_text("images_seen,quality/fid_x,throughput/images_per_second\n0,300.5,\n40,,20.0\n")
print(f"job={job} pid={os.getpid()} threads={settings.get('threads')} gpu={os.environ.get('CUDA_VISIBLE_DEVICES')} "
      f"of {os.environ.get('SADDLEPOINT_JOBS_ON_GPU')} resume={settings.get('resume')}", flush=True)
if job.startswith("raising"):
    status("failed", "ValueError: by design", 40)
    raise ValueError("by design")
if job == "diverging":
    status("diverged", "a loss is nan", 40)
    sys.exit(3)
if job == "leaving":
    sys.exit(0)
if job == "parent":
    child = subprocess.Popen(["sleep", "600"])
    (run / "child").write_text(str(child.pid))
if job in ("parent", "doomed") or (job.startswith("killed") and not going_on):
    os.kill(os.getpid(), signal.SIGKILL)
if job in ("hanging", "deaf", "patient") and not (job == "patient" and going_on):
    time.sleep(600)
with (run / "metrics.csv").open("a") as table:
    table.write("80,12.5,\n")
(run / "metrics.json").write_text('{"cost": {"images_per_second": 33.0}}')
status("completed", "", 80)
