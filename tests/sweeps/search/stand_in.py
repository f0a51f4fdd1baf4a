"""Behaves like train.py in its files, signals and exit codes, and trains nothing: its score, measured at 20, 40, 60 and
80 images, is a function of `x=`; `kind=` says how it ends."""

import json
import os
import signal
import sys
import time
from pathlib import Path

MEASURED = (20, 40, 60, 80)


def fid(x: float, images: int) -> float:
    return (x - 0.3) ** 2 + 100 / images


def main() -> None:
    settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
    x, kind, run = float(settings.get("x", 0)), settings.get("kind", "fine"), Path(settings["run.dir"])
    going_on = run.exists()
    if kind == "impossible":
        print("This recipe cannot train", flush=True)
        sys.exit(2)
    if going_on and "resume" not in settings:
        sys.exit(f"run.dir={run} is not empty")
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    seen = 0

    def status(state: str, reason: str = "") -> None:
        (run / "status.json.new").write_text(json.dumps({"state": state, "reason": reason, "images_seen": seen,
                                                         "started": "2026-01-01", "ended": None}))
        (run / "status.json.new").replace(run / "status.json")

    def stop(number: int, frame: object) -> None:
        status("stopped", f"Stopped by {signal.Signals(number).name}")
        os._exit(143)

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    (run / "config.yaml").write_text("budget:\n  images: 80\n")
    status("running")
    print(f"begins pid={os.getpid()}", flush=True)
    (run / "metrics.csv").write_text("images_seen,quality/fid_x,quality/fid_infinity_x\n")
    for seen in MEASURED:
        with (run / "metrics.csv").open("a") as table:
            table.write(f"{seen},{fid(x, seen)!r},{-seen}\n")
        if seen == 40 and (end := {"raising": 1, "diverging": 3}.get(kind)):
            status({1: "failed", 3: "diverged"}[end], f"it was {kind}")
            sys.exit(end)
        if seen == 40 and kind == "killed" and not going_on:
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "halting" and not going_on:
            time.sleep(600)
        if kind == "slow" and x > 0.5:
            time.sleep(600)
        time.sleep(float(settings.get("pause", 0)))
    if "reference" in settings:  # the digest of what it was measured against
        protocol = {"extractor": "x", "reference_digest": settings["reference"], "ema": x > 0.5}
        (run / "metrics.json").write_text(json.dumps({"metrics": [{"name": "fid_x", "value": fid(x, seen),
                                                                   "protocol": protocol}]}))
    status("completed")


if __name__ == "__main__":
    main()
