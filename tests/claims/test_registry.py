"""The claims and reproductions of this project, and the pages that were written of them."""

import shutil

import pytest

from saddlepoint.claims.claim import Effect, read_claims
from saddlepoint.claims.claims_page import claims_page
from saddlepoint.claims.deciding import decide
from saddlepoint.claims.recipes import change, recorded
from saddlepoint.claims.reproduction import PAGE, read_reproductions
from saddlepoint.claims.reproductions_page import reproductions_page
from saddlepoint.claims.results import Result, read_results
from saddlepoint.claims.study_page import study_page
from saddlepoint.claims.typed_words import of_recipe
from saddlepoint.commands.claiming import counting
from saddlepoint.comparison.published_tables import read_tables
from saddlepoint.config.paths import at
from tests.composing import CONF, settings

ROOT = CONF.parent
CLAIMS = ROOT / "claims"


class NoHistory:
    """Counts every run, as the results file holds those alone that the history allows."""

    def refusal(self, claim, result) -> str:
        return ""


@pytest.fixture(scope="module")
def claims():
    return read_claims(CLAIMS)


@pytest.fixture(scope="module")
def reproductions():
    return read_reproductions(ROOT / "reproductions", read_tables(CONF / "published.yaml"))


def test_claims_are_read_with_their_thresholds(claims):
    assert [claim.number for claim in claims] == [*range(1, 18)]
    assert sum(isinstance(claim.holds_if, Effect) for claim in claims) == 16


def test_the_example_of_the_documents_can_be_added_to_the_claims(tmp_path):
    example = (ROOT / "docs" / "comparing.md").read_text().split("```yaml\n# Who says so")[1].split("```")[0]
    shutil.copytree(CLAIMS, tmp_path / "claims")
    (tmp_path / "claims" / "mine.yaml").write_text(f"# Who says so{example}")
    [mine] = [each for each in read_claims(tmp_path / "claims") if each.name == "mine"]
    for arm in mine.arms:
        assert settings(*arm.words)["model"]["discriminator"]["normalization"] == "none"


def test_the_runs_of_the_claim_on_the_decisive_ring_are_rows_of_its_table(claims, reproductions):
    [claim] = [each for each in claims if each.name == "packing_on_the_ring"]
    [table] = [each for each in reproductions if each.name == "decisive_ring"]
    assert {of_recipe(arm.words) for arm in claim.arms} < {of_recipe(row.words) for row in table.lengths[0].rows}
    assert {row.seeds for row in table.lengths[0].rows} == {claim.seeds}


def test_the_runs_that_are_asked_for_would_count(claims, reproductions):
    """What train.py records of each line is the recipe that its words make, so that no run is made in vain."""
    rows = [row for each in reproductions for length in each.lengths for row in length.rows]
    asked = {each.words for each in (*rows, *(arm for claim in claims for arm in claim.arms))}
    assert len(asked) > 80
    for words in asked:
        assert change(Result(words, 0, "completed", recipe=recorded(settings(*words, "seed=0")))) == ""


def test_rows_that_are_repeated_are_those_of_their_tables(reproductions):
    """compare.py finds their published values by the settings that their runs have when Hydra composes them."""
    rows = [(each.table.rows[row.name], row, length) for each in reproductions if each.table
            for length in each.lengths for row in length.rows]
    assert len(rows) >= 12
    for published, row, length in rows:
        composed = settings(*row.words)
        for name, value in published.where.items():
            if length.direction_only and name == "data/digits":
                continue  # 5,000 digits for the paper's 70,000
            found = composed["choices"][name] if name in composed["choices"] else at(composed, name)
            assert found == value
        if published.images and not length.direction_only:
            assert composed["budget"]["images"] == published.images


def test_runs_have_the_recipe_that_their_words_make_today():
    """A change of conf/ that changes a recipe costs its runs: delete their lines, and call the command for new ones."""
    results = read_results(CLAIMS / "results.jsonl")
    assert all(each.recipe for each in results)
    assert [why for each in results if (why := change(each))] == []


def test_the_pages_are_what_the_results_say(claims, reproductions):
    results = read_results(CLAIMS / "results.jsonl")
    decisions = [decide(claim, counting(claim, results, NoHistory())) for claim in claims]
    assert (ROOT / "docs" / "claims.md").read_text() == claims_page(decisions)
    tables = [each for each in reproductions if each.page == PAGE]
    assert (ROOT / "docs" / f"{PAGE}.md").read_text() == reproductions_page(tables, results)
    for study in reproductions:
        if study.page != PAGE:
            assert (ROOT / "docs" / f"{study.page}.md").read_text() == study_page(study, results)
