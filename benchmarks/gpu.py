"""All checks of saddlepoint that need a GPU, meant to take about six minutes: the CPU's numbers, exact resuming, speed.

    python benchmarks/gpu.py seconds=470 only=parity,resume out=FOLDER

seconds: no case of a check begins after so many, and the summary names those that were left out. only: the checks to
run, of those in ORDER below. out: a new or empty folder for results.jsonl, summary.md and output.log (what the checks
print), by default in runs/gpu_checks.

Where there is no GPU, nothing is checked; device=cpu is a dry run, which tries the checks themselves on small cases and
leaves out what only a GPU can do. The exit code is 1 if a check failed or ended by an error. saddlepoint need not be
installed: with the packages of requirements.lock, PYTHONPATH=src is enough.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums, read when CUDA starts

import _gpu_correctness  # noqa: E402
import _gpu_data  # noqa: E402
import _gpu_evaluation  # noqa: E402
import _gpu_runs  # noqa: E402
import _gpu_speed  # noqa: E402
import torch  # noqa: E402
from _gpu_cases import Machine  # noqa: E402
from _gpu_records import Check, Records, run  # noqa: E402

from saddlepoint.environment import revision  # noqa: E402
from saddlepoint.errors import RequestError  # noqa: E402

EVERY_CHECK = {name: check for part in (_gpu_correctness, _gpu_data, _gpu_evaluation, _gpu_runs, _gpu_speed)
               for name, check in part.CHECKS.items()}
ORDER = ("draws", "found_inf", "parity", "waits", "divergence", "record", "resume", "memory",
         "resident", "speed", "layout", "upscale", "metrics", "evaluate", "nccl", "decoding")
CHECKS: dict[str, Check] = {name: EVERY_CHECK[name] for name in ORDER}  # what matters most comes first
ARGUMENTS = ("seconds", "only", "device", "out")


def main(typed: list[str]) -> int:
    given = dict(argument.partition("=")[::2] for argument in typed)
    if ignored := [name for name in given if name not in ARGUMENTS]:  # make bench hands every script the same ones
        print(f"gpu.py does without {', '.join(ignored)}: it knows {', '.join(ARGUMENTS)}")
    try:
        device, checks, seconds = device_of(given), checks_of(given), seconds_of(given)
        if device.type == "cuda" and not torch.cuda.is_available():
            print("gpu.py checks nothing, since this machine has no GPU that torch can use: device=cpu is a dry run")
            return 0
        out = folder_of(given)
    except RequestError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        records = Records(out, about(device))
        run(checks, Machine(device, Path(folder), time.monotonic() + seconds), records)
    print(f"\n{records.summary()}\n{out}/ has results.jsonl, summary.md and output.log")
    return 1 if records.count("failed") or records.count("error") else 0


def device_of(given: dict[str, str]) -> torch.device:
    wanted = given.get("device", "gpu")
    if wanted not in ("cpu", "gpu"):
        raise RequestError(f"device={wanted} must be gpu or cpu: leave it out for the GPU, or type device=cpu for a "
                           "dry run")
    return torch.device("cuda:0" if wanted == "gpu" else "cpu")


def checks_of(given: dict[str, str]) -> dict[str, Check]:
    wanted = given.get("only", ",".join(CHECKS)).split(",")
    if unknown := [name for name in wanted if name not in CHECKS]:
        raise RequestError(f"only={given['only']} must name checks, and there is none named {', '.join(unknown)}: type "
                           f"some of {','.join(CHECKS)}")
    return {name: check for name, check in CHECKS.items() if name in wanted}


def seconds_of(given: dict[str, str]) -> float:
    text = given.get("seconds", "470")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise RequestError(f"seconds={text} must be a number above 0: type, for example, seconds=470")
    return seconds


def folder_of(given: dict[str, str]) -> Path:
    default = ROOT / "runs" / "gpu_checks" / time.strftime("%Y-%m-%d_%H-%M-%S")
    out = Path(given["out"]).expanduser().absolute() if "out" in given else default
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(f"out={out} must be a new or an empty folder: type another one")
    out.mkdir(parents=True, exist_ok=True)
    return out


def about(device: torch.device) -> dict[str, str]:
    """-> what the numbers were measured on"""
    machine = {"commit": revision() or "unknown, as this is no git checkout", "torch": torch.__version__,
               "cores": str(len(os.sched_getaffinity(0)))}
    if device.type == "cpu":
        return {"device": "the CPU, as a dry run"} | machine
    card, cudnn = torch.cuda.get_device_properties(device), torch.backends.cudnn
    elements = card.multi_processor_count * (card.max_threads_per_multi_processor // 256) * 256
    return machine | {
        "GPU": f"{card.name}, {card.total_memory / 2**30:.0f} GiB", "driver": driver(),
        "CUDA of torch": str(torch.version.cuda), "TF32 in convolutions by default": str(cudnn.allow_tf32),
        "draws": f"of more than {elements:,} numbers at once depend on how many processors the card has",
    }


def driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown, as nvidia-smi does not answer"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
