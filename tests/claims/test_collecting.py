"""What a resumed run is: of the words and the code of all its starts."""

from dataclasses import replace

import pytest

from saddlepoint.claims.collecting import result_of, words_of
from saddlepoint.claims.results import merged, read_results, write_results
from saddlepoint.runs.gathering import gather
from saddlepoint.runs.record import Start
from tests.claims.registries import WORDS, made_run


@pytest.fixture
def run(tmp_path):
    [one] = gather([made_run(tmp_path / "run", WORDS["R1"], 0, 1.0, "b" * 40)]).runs
    return one


def test_a_run_that_was_resumed_by_hand_has_the_words_it_was_started_with(run):
    resumed = replace(run, command="train.py resume=runs/one", earlier_starts=(Start(run.command, "a" * 40, ()),))
    result = result_of(resumed, ())
    assert result.words == words_of(run) == tuple(sorted(WORDS["R1"].split()))
    assert result.revision == "b" * 40 and result.earlier_revisions == ("a" * 40,)


def test_words_of_later_starts_come_in_the_places_of_earlier_ones(run):
    resumed = replace(run, command="train.py resume=runs/one threads=2 callbacks.sample_quality.num_fake=100",
                      earlier_starts=(Start(run.command, "b" * 40, ()),))
    assert words_of(resumed) == tuple(sorted(
        [*WORDS["R1"].replace("threads=1", "threads=2").split(), "callbacks.sample_quality.num_fake=100"]))


def test_a_result_has_the_weights_that_its_values_were_measured_with(run, tmp_path):
    [score] = run.metrics
    without_protocol = replace(score, name="is_digits", protocol={})
    without_value = replace(score, name="kid_digits", value=None)
    found = result_of(replace(run, metrics=(score, without_protocol, without_value)), ())
    assert found.weights == {"fid_digits": score.protocol["digest"]} and [*found.values] == ["fid_digits", "is_digits"]
    write_results(tmp_path / "results.jsonl", [found])
    assert read_results(tmp_path / "results.jsonl") == [found]
    assert merged([found], [replace(found, weights={})]) == [found]
    assert merged([found], [replace(found, weights={"fid_digits": "b"})])[0].weights == {"fid_digits": "b"}
    assert result_of(replace(run, state="diverged"), ()).weights == {}


@pytest.mark.parametrize(("starts", "changes"), [
    ([("a", ("src/x.py",)), ("b", ("docs/y.md",))], ("docs/y.md", "src/x.py")),
    ([("a+changes", None), ("b", ())], None),
    ([("a", None), ("b", ())], ()),
])
def test_files_that_differed_at_any_start_differed(run, starts, changes):
    *earlier, (revision, own) = starts
    resumed = replace(run, revision=revision, changes=own,
                      earlier_starts=tuple(Start("train.py", *each) for each in earlier))
    assert result_of(resumed, ()).changes == changes
