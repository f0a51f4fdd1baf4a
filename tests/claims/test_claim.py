"""Claims as their files have them, and what is refused."""

import pytest

from saddlepoint.claims.claim import read_claims
from saddlepoint.claims.measures import CurveMean, LastValue, Turns, ValueAt
from saddlepoint.claims.measuring import CommandValue
from saddlepoint.claims.typed_words import effective, of_command, of_recipe
from saddlepoint.errors import RequestError
from tests.claims.registries import COMMON, RATIO, WORDS, claim


def test_a_claim_has_the_words_of_its_runs_in_the_order_of_typing(tmp_path):
    read = claim(tmp_path)
    assert [(arm.name, " ".join(arm.words)) for arm in read.arms] == [*WORDS.items()]
    assert read.seeds == 3 and read.holds_if.words == "ratio ≤ 0.9"
    assert {arm.measure for arm in read.arms} == {LastValue("fid_digits")}
    own = claim(tmp_path, RATIO + "own_settings: true\nseeds: 7\n")
    assert own.arms[1].words == ("loss=hinge",) and own.seeds == 7


def test_what_is_measured_may_be_an_earlier_value_a_part_of_a_curve_or_a_pattern(tmp_path):
    read = claim(tmp_path, RATIO + "at: {none: 50}\n")
    assert [arm.measure for arm in read.arms] == [LastValue("fid_digits"), ValueAt("fid_digits", 50)]
    read = claim(tmp_path, RATIO.replace("metric: fid_digits", "curve: stability/saturation\nover: [0, 50]").replace(
        "ratio: {at_most: 0.9}", "difference: {at_least: 0.1}"))
    assert read.arms[0].measure == CurveMean("stability/saturation", 0, 50)
    by_command = ("measured_by: {command: probe, settings: [labels=20], of: {R1: error/discriminator, "
                  "none: error/pixels}}")
    read = claim(tmp_path, RATIO.replace("metric: fid_digits", by_command))
    assert [arm.measure for arm in read.arms] == [CommandValue("probe", ("labels=20",), "error/discriminator"),
                                                  CommandValue("probe", ("labels=20",), "error/pixels")]
    pattern = "pattern: {parts: 8, falls_then_rises: a, rises_then_falls: b}"
    read = claim(tmp_path, RATIO.replace("metric: fid_digits", pattern).replace("ratio: {at_most: 0.9}", "seeds: 3")
                 .replace('R1: ["trick=[r1]"], ', ""))
    assert read.arms[0].measure == Turns(8, "a", "b") and read.holds_if.value == 3


def test_number_wording_and_discussion_decide_nothing_and_everything_else_does(tmp_path):
    before = claim(tmp_path).committed_part
    same = RATIO.replace("number: 1", "number: 4").replace("R1 helps", "R1 is good") + "discussion: |\n  Because.\n"
    assert claim(tmp_path, same).committed_part == before
    assert claim(tmp_path, same).discussion == "Because."
    for old, new in (("0.9", "0.8"), ("at_most", "below"), ("hinge", "minimax"), ("trick=[r1]", "trick=[r2]"),
                     ("fid_", "is_"), ("number: 1", "number: 1\nseeds: 4"), ("none: []", "nothing: []")):
        assert claim(tmp_path, RATIO.replace(old, new)).committed_part != before, new
    swapped = RATIO.replace('{R1: ["trick=[r1]"], none: []}', '{none: [], R1: ["trick=[r1]"]}')
    assert claim(tmp_path, swapped).committed_part != before


@pytest.mark.parametrize("old, new, words", [
    ("metric:", "metrik:", "metrik is not known: did you mean metric?"),
    ("fid_digits", "fid_digit", "metric=fid_digit is no metric: did you mean fid_digits?"),
    ("{R1: [", "{only: [], R1: [", "arms must be 2, and are 3"),
    ("holds_if: {ratio: {at_most: 0.9}}", "", "lacks holds_if"),
    ("{at_most: 0.9}", "{at_most: 0.9, below: 1}", "exactly one of at_most, at_least, below or above, and has at_most "
                                                   "and below"),
    ("{at_most: 0.9}", "{at_most: high}", "at_most=high must be a finite number"),
    ("{at_most: 0.9}", "{at_most: 1.1}", "at_most=1.1 holds where there is no effect \\(1\\): choose a value below"),
    ("{at_most: 0.9}", "{at_most: 0}", "at_most=0 must be above 0"),
    ("number: 1", "number: one", "number=one must be a whole number"),
    ("[loss=hinge]", "[hinge]", "settings=\\['hinge'\\] must be a list of settings as they are typed"),
    ('R1: ["trick=[r1]"]', "R1: [loss=hinge]", "R1 and none are the same runs, as their words are"),
    ("none: []", "none: null", "arms: none=None must be a list of settings"),
    ("metric: fid_digits", "measured_by: {command: draw, of: {R1: a, none: b}}", "command=draw must be one of probe"),
    ("metric: fid_digits", "measured_by: {command: probe, of: {R1: a}}", "measured_by: of lacks none"),
    ("metric: fid_digits", "curve: a", "over must be the images seen"),
    ("metric: fid_digits", "metric: fid_digits\nat: {never: 5}", "at must say after how many images"),
    ("metric: fid_digits", "curve: a\nover: [0, 5]\nat: {none: 5}", "at says at what of a metric to look, and this "
                                                                    "claim has curve: leave it out"),
    ("metric: fid_digits", "metric: fid_digits\nover: [0, 5]", "over says at what of a curve to look"),
    ("metric: fid_digits", "metric: fid_digits\nseeds: 1", "seeds=1 can never decide it: 2 are the fewest"),
    ("settings: [loss=hinge]", "own_settings: true\nsettings: []", "arms: none has no words"),
    ("number", "[", "cut off or corrupt"),
])
def test_what_a_claim_may_not_hold_is_refused_in_a_sentence(tmp_path, old, new, words):
    with pytest.raises(RequestError, match=rf"{tmp_path.name}/r1.yaml.*{words}"):
        claim(tmp_path, RATIO.replace(old, new, 1))


def test_claims_have_numbers_of_their_own_and_a_folder_has_claims(tmp_path):
    claim(tmp_path)
    (tmp_path / "again.yaml").write_text(RATIO)
    with pytest.raises(RequestError, match="again.yaml and claims/r1.yaml have the same number, 1"):
        read_claims(tmp_path)
    for name in ("again", "r1"):
        (tmp_path / f"{name}.yaml").unlink()
    with pytest.raises(RequestError, match="holds no claim"):
        read_claims(tmp_path)
    (tmp_path / "common.yaml").write_text(COMMON.replace("seeds", "seed"))
    with pytest.raises(RequestError, match="seed is not known: did you mean seeds"):
        read_claims(tmp_path)


def test_runs_are_the_same_by_the_words_that_have_an_effect():
    line = "python -m saddlepoint.commands.train lr=1 'trick=[r1,ema]' lr=2 threads=1 seed=3 run.dir=/a resume=auto"
    assert of_command(line) == effective(["threads=1", "trick=[r1,ema]", "lr=2"]) == (
        "lr=2", "threads=1", "trick=[r1,ema]")
    watched = ["threads=1", "callbacks.health.every_images=9", "logger=none", "trainer=gpu", "lr=2"]
    assert of_recipe(watched) == ("lr=2",)
    each_alone = "trainer.synchronise_batchnorm=false"
    assert of_recipe([*watched, each_alone]) == ("lr=2", each_alone)
    assert of_command("an 'unfinished line") == ()
