"""Which runs count: those whose revision already had the claim, with nothing of the code or the claim changed."""

import pytest

from saddlepoint.claims.claim import read_claims
from saddlepoint.claims.commitments import Commitments
from saddlepoint.claims.results import Result
from saddlepoint.errors import RequestError
from tests.claims.registries import COMMON, LATER, RATIO, commit, git, registry


def result(revision: str, **more) -> Result:
    return Result(("a=1",), 0, "completed", **{"started": LATER, "changes": (), "revision": revision, **more})


@pytest.fixture
def repository(tmp_path):
    return registry(tmp_path / "checkout", r1=RATIO).parent


def refusal(repository, revision, **more) -> str:
    [claim] = read_claims(repository / "claims")
    return Commitments(repository / "claims").refusal(claim, result(revision, **more))


def head(repository) -> str:
    return git(repository, "rev-parse", "HEAD")


def test_a_run_counts_from_the_revision_on_that_has_its_claim(repository):
    with_the_claim = head(repository)
    assert refusal(repository, with_the_claim) == ""
    (repository / "claims" / "r1.yaml").write_text(RATIO.replace("number: 1", "number: 2") + "discussion: It does.\n")
    assert refusal(repository, with_the_claim) == refusal(repository, commit(repository)) == ""


def test_a_run_from_before_its_claim_does_not_count(tmp_path):
    folder = registry(tmp_path, other=RATIO)
    before = head(tmp_path)
    (folder / "other.yaml").unlink()
    (folder / "r1.yaml").write_text(RATIO)
    commit(tmp_path)
    assert refusal(tmp_path, before) == f"claims/r1.yaml was not yet committed at its revision {before[:8]}"


@pytest.mark.parametrize("file, old, new, words", [
    ("r1", "0.9", "0.8", "the threshold"),
    ("r1", "fid_", "is_", "the arms, their settings or what is measured"),
    ("r1", "hinge", "minimax", "the arms, their settings or what is measured"),
    ("common", "seeds: 3", "seeds: 4", "the number of seeds"),
    ("common", "threads=1", "threads=2", "the arms, their settings or what is measured"),
])
def test_a_run_from_before_a_change_of_its_claim_does_not_count(repository, file, old, new, words):
    before = head(repository)
    path = repository / "claims" / f"{file}.yaml"
    path.write_text(path.read_text().replace(old, new))
    after = commit(repository)
    assert refusal(repository, before) == f"claims/r1.yaml was another at its revision {before[:8]}: {words}"
    assert refusal(repository, after) == ""


def test_a_claim_that_is_not_committed_is_refused_by_name(repository):
    path = repository / "claims" / "r1.yaml"
    commitments = Commitments(path.parent)
    commitments.refuse_uncommitted(read_claims(path.parent))
    path.write_text(RATIO + "discussion: Later.\n")
    commitments.refuse_uncommitted(read_claims(path.parent))
    path.write_text(RATIO.replace("0.9", "0.99"))
    with pytest.raises(RequestError, match=r"newest commit has them otherwise.*Commit claims/r1.yaml first"):
        commitments.refuse_uncommitted(read_claims(path.parent))
    path.write_text(RATIO)
    (path.parent / "common.yaml").write_text(COMMON.replace("3", "4"))
    with pytest.raises(RequestError, match=r"Commit claims/r1.yaml claims/common.yaml first"):
        commitments.refuse_uncommitted(read_claims(path.parent))


@pytest.mark.parametrize("changes, counts", [
    (("docs/claims.md", "claims/results.jsonl", "notes.txt"), True), (("claims/r1.yaml",), False),
    (("claims/common.yaml",), False), (("src/saddlepoint/build.py",), False), (("conf/loss/hinge.yaml",), False)])
def test_a_run_counts_unless_code_or_claims_were_changed_beside_its_revision(repository, changes, counts):
    why = refusal(repository, head(repository), changes=changes)
    assert (why == "") == counts
    assert counts or why == f"its code differed from its revision in {changes[0]}"


def test_a_run_that_does_not_say_what_it_was_made_with_does_not_count(repository):
    revision = head(repository)
    assert refusal(repository, revision, changes=None) == (
        "its code differed from its revision, and it has not recorded where")
    assert refusal(repository, "") == "it has not recorded the git revision of its code"
    assert refusal(repository, "1" * 40) == "its revision 11111111 is not in this repository"


def test_all_starts_of_a_run_must_have_the_claim_and_the_code_of_a_commit(repository):
    first = head(repository)
    (repository / "claims" / "r1.yaml").write_text(RATIO.replace("0.9", "0.95"))
    second = commit(repository)
    assert refusal(repository, second) == ""
    assert refusal(repository, second, earlier_revisions=(first,)).startswith(
        f"claims/r1.yaml was another at its revision {first[:8]}: the threshold")
    assert "begun with code whose git revision" in refusal(repository, second, earlier_revisions=("",))
    assert refusal(repository, second, earlier_revisions=(second,)) == ""


def test_a_threshold_that_was_amended_is_as_old_as_the_amendment(repository):
    """An amended commit keeps the date of its author."""
    git(repository, "commit", "-q", "--amend", "-m", "again", "--date", "2001-01-01T00:00:00Z")
    assert "began at 2002" in refusal(repository, head(repository), started="2002-01-01T00:00:00+00:00")


def test_a_run_that_began_before_the_claim_and_went_on_after_it_does_not_count(repository):
    assert refusal(repository, head(repository), started="2020-01-01T00:00:00+00:00") == (
        "it began at 2020-01-01T00:00:00+00:00, before claims/r1.yaml was committed")


def test_without_a_whole_history_nothing_counts(repository, tmp_path):
    commit(repository)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    with pytest.raises(RequestError, match="type git fetch --unshallow"):
        Commitments(tmp_path / "shallow" / "claims")
    (tmp_path / "claims").mkdir()
    with pytest.raises(RequestError, match="is in no git repository"):
        Commitments(tmp_path / "claims")
