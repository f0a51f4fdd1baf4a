"""Small registries of claims in git repositories of their own, and runs for them without training."""

import json
import subprocess
from pathlib import Path

import yaml

from saddlepoint.claims.claim import Claim, read_claims
from saddlepoint.claims.results import Result
from saddlepoint.claims.typed_words import effective
from tests.composing import settings
from tests.runs.made_runs import make_run, score

COMMON = "settings: [threads=1, budget.images=100]\nseeds: 3\n"
RATIO = """number: 1
statement: R1 helps.
settings: [loss=hinge]
arms: {R1: ["trick=[r1]"], none: []}
metric: fid_digits
holds_if: {ratio: {at_most: 0.9}}
"""
WORDS = {"R1": "threads=1 budget.images=100 loss=hinge trick=[r1]", "none": "threads=1 budget.images=100 loss=hinge"}
LATER = "2099-01-01T00:00:00+00:00"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
    return subprocess.run([*command, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def registry(folder: Path, **files: str) -> Path:
    """Returns the folder claims/ of a new repository, in which these files are committed."""
    claims = folder / "claims"
    claims.mkdir(parents=True)
    git(folder, "init", "-q")
    for name, text in {"common": COMMON, **files}.items():
        (claims / f"{name}.yaml").write_text(text)
    commit(folder)
    return claims


def commit(folder: Path) -> str:
    """Commits everything, and returns the revision."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "state")
    return git(folder, "rev-parse", "HEAD")


def claim(folder: Path, text: str = RATIO) -> Claim:
    """Returns the claim of a text, without a repository."""
    folder.mkdir(exist_ok=True)
    (folder / "common.yaml").write_text(COMMON)
    (folder / "r1.yaml").write_text(text)
    [read] = read_claims(folder)
    return read


def results(of: Claim, *values: dict[str, float | list[float] | str], **more: object) -> dict[tuple[str, int], Result]:
    """Returns the runs of a claim: a mapping for each seed, arm -> value, or the state of a run that has none."""
    return {(arm.name, seed): Result(
        effective(arm.words), seed, state=value if isinstance(value, str) else "completed",
        values={} if isinstance(value, str) else {arm.measure.key: value}, **more)
        for seed, line in enumerate(values) for arm in of.arms if (value := line.get(arm.name)) is not None}


def made_run(path: Path, words: str, seed: int, value: float, revision: str, started: str = LATER, **more) -> Path:
    """Makes the directory of a run with these typed words, the settings that they make, and this fid_digits."""
    changes = more.pop("changes", [])
    run = make_run(path, score(value=value, images=100), seed=seed, images=100, environment={
        "command": f"train.py {words} seed={seed} run.dir={path}", "revision": revision, "changes": changes}, **more)
    (run / "config.yaml").write_text(yaml.safe_dump(settings(*words.split(), f"seed={seed}")))
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"started": started}))
    return run
