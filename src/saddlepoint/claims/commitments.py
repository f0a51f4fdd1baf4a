"""Says whether a claim was committed, as it is now, before a run of it was made."""

import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from saddlepoint import environment
from saddlepoint.claims.claim import COMMON, Claim, Common, read_claim
from saddlepoint.claims.results import CODE, RUNNING, Result, code_refusal
from saddlepoint.environment import CHANGED, git
from saddlepoint.errors import RequestError
from saddlepoint.files.json_files import now

PARTS = {"arms": "the arms, their settings or what is measured", "seeds": "the number of seeds",
         "holds_if": "the threshold"}


class Commitments:
    """The claims that the git history of a folder has. Making it raises a RequestError if there is no whole history."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            is_shallow = git(folder, "rev-parse", "--is-shallow-repository") == "true"
            self.prefix = git(folder, "rev-parse", "--show-prefix")
        except (OSError, subprocess.CalledProcessError) as error:
            raise RequestError(f"claims={folder} is in no git repository, so nobody can know whether a threshold is "
                               "older than its runs: use the checkout of the project") from error
        if is_shallow:
            raise RequestError(f"claims={folder} is in a clone without its history, so nobody can know whether a "
                               "threshold is older than its runs: type git fetch --unshallow")
        self._at, self._since, self._has = map(cache, (self._read_at, self._find_since, self._has_commit))

    def refuse_uncommitted(self, claims: Sequence[Claim]) -> None:
        """Raises a RequestError that names the claims which differ from the newest commit in what decides them."""
        uncommitted = [f"claims/{claim.name}.yaml" for claim in claims
                       if self._at("HEAD", claim.name) != claim.committed_part]
        if uncommitted:
            if git(self.folder, "status", "--porcelain", "--", f"{COMMON}.yaml"):
                uncommitted.append(f"claims/{COMMON}.yaml")
            raise RequestError(f"{', '.join(uncommitted)}: the newest commit has them otherwise or not at all, and a "
                               f"claim is committed before its runs. Commit {' '.join(uncommitted)} first")

    def refuse_to_run(self, claim: Claim) -> None:
        """Raises a RequestError if no run of this code that begins now would count for a claim."""
        run = Result((), 0, RUNNING, started=now(), revision=environment.revision().partition(CHANGED)[0],
                     changes=tuple(environment.changes()))
        if why := self.refusal(claim, run):
            raise RequestError(f"A run for claims/{claim.name}.yaml that began now would not count: {why}. Commit, or "
                               "call this command in a clean checkout of the claims' repository")

    def refusal(self, claim: Claim, result: Result) -> str:
        """Returns why a run does not count for a claim; an empty text if it does."""
        file = f"claims/{claim.name}.yaml"
        if why := code_refusal(result, self._decides):
            return why
        for revision in (result.revision, *result.earlier_revisions):  # of all its starts, in any order
            if not revision:
                return "it was begun with code whose git revision it has not recorded"
            if not self._has(revision):
                return f"its revision {revision[:8]} is not in this repository"
            then = self._at(revision, claim.name)
            if then is None:
                return f"{file} was not yet committed at its revision {revision[:8]}"
            if then != claim.committed_part:
                differing = [words for part, words in PARTS.items()
                             if getattr(then, part) != getattr(claim.committed_part, part)]
                return f"{file} was another at its revision {revision[:8]}: {', '.join(differing)}"
        since, began = self._since(claim), moment(result.started)
        if since and began and began < since:
            return f"it began at {result.started}, before {file} was committed"
        return ""

    def _decides(self, changed: str) -> bool:
        inside = changed.removeprefix(self.prefix)
        is_claim = changed.startswith(self.prefix) and inside.endswith(".yaml") and "/" not in inside
        return is_claim or changed.startswith(CODE)

    def _has_commit(self, revision: str) -> bool:
        try:
            git(self.folder, "cat-file", "-e", f"{revision}^{{commit}}")
        except subprocess.CalledProcessError:
            return False
        return True

    def _read_at(self, revision: str, name: str) -> Claim | None:
        """Returns what decides a claim at a revision; None if there was no such claim, or none that can be read now."""
        try:
            texts = {each: git(self.folder, "show", f"{revision}:./{each}.yaml") for each in (name, COMMON)}
        except subprocess.CalledProcessError:
            return None
        with tempfile.TemporaryDirectory() as folder:
            for each, text in texts.items():
                (Path(folder) / f"{each}.yaml").write_text(text + "\n", encoding="utf-8")
            try:
                return read_claim(Path(folder) / f"{name}.yaml", Common(Path(folder))).committed_part
            except RequestError:
                return None

    def _find_since(self, claim: Claim) -> datetime | None:
        """Returns when the claim as it is now was first committed, since which commits have not changed it."""
        listing = git(self.folder, "log", "--format=%H %cI", "--", f"{claim.name}.yaml", f"{COMMON}.yaml")
        since = None
        for each, date in (line.split() for line in listing.splitlines()):
            if self._at(each, claim.name) != claim.committed_part:
                break
            since = datetime.fromisoformat(date)
        return since


def refuse_changed_code(what: str) -> None:
    """Raises a RequestError if no run of this code that begins now would count for a published table, `what`."""
    run = Result((), 0, RUNNING, revision=environment.revision().partition(CHANGED)[0],
                 changes=tuple(environment.changes()))
    if why := code_refusal(run, installed=True):
        raise RequestError(f"A run of {what} that began now would not count: {why}. Commit, or call this command in a "
                           "clean checkout")


def moment(text: str) -> datetime | None:
    """Returns a time as status.json has it; None if the text is no time with its zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
