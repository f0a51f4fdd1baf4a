"""Planted effects are found, planted nulls are not, and reverses are contradicted."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from scipy import stats

from saddlepoint.claims.claims_page import claims_page
from saddlepoint.claims.deciding import CONTRADICTED, HOLDS, NOT_RUN, UNDECIDED, Decision, decide, holm, p_beyond
from tests.claims.registries import RATIO, claim, results

SEEDS = RATIO + "seeds: 6\n"


def planted(tmp_path, effect: float, text: str = SEEDS, spread: float = 0.1):
    """Decides a claim of values with a ratio of exp(effect), times noise."""
    of = claim(tmp_path, text)
    noise = np.random.default_rng(0).normal(0, spread, (of.seeds, 2))
    noise -= noise.mean(axis=0)
    values = [{"R1": float(20 * exp(effect + one)), "none": float(20 * exp(other))} for one, other in noise]
    return decide(of, results(of, *values)), values


def test_a_planted_effect_holds_a_null_is_undecided_and_a_reverse_is_contradicted(tmp_path):
    decision, values = planted(tmp_path, log(0.5))
    assert decision.verdict == HOLDS and decision.estimate == pytest.approx(0.5)
    logs = [log(each["R1"] / each["none"]) for each in values]
    low, high = stats.t.interval(0.95, 5, np.mean(logs), stats.sem(logs))
    assert decision.interval == pytest.approx((exp(low), exp(high)))
    assert decision.p == pytest.approx(stats.ttest_1samp(logs, log(0.9), alternative="less").pvalue)
    assert decision.effects == pytest.approx({seed: exp(each) for seed, each in enumerate(logs)})
    null, _ = planted(tmp_path, 0.0)
    assert null.verdict == UNDECIDED and null.interval[0] < 1 < null.interval[1] and null.p > 0.5
    assert planted(tmp_path, log(2))[0].verdict == CONTRADICTED
    # an effect that is there, on the right side, and smaller than claimed is none of both
    assert planted(tmp_path, log(0.95), spread=0.01)[0].verdict == UNDECIDED
    assert planted(tmp_path, log(0.9), spread=0.01)[0].verdict == UNDECIDED


def test_a_claim_of_a_greater_value_is_the_mirror_image(tmp_path):
    text = SEEDS.replace("at_most: 0.9", "at_least: 1.25")
    assert planted(tmp_path, log(2), text)[0].verdict == HOLDS
    assert planted(tmp_path, 0.0, text)[0].verdict == UNDECIDED
    decision, values = planted(tmp_path, log(0.5), text)
    assert decision.verdict == CONTRADICTED
    logs = [log(each["R1"] / each["none"]) for each in values]
    assert decision.p == pytest.approx(stats.ttest_1samp(logs, log(1.25), alternative="greater").pvalue)


def test_differences_are_decided_on_their_own_scale(tmp_path):
    of = claim(tmp_path, RATIO.replace("ratio: {at_most: 0.9}", "difference: {at_least: 4}"))
    ring = decide(of, results(of, *({"R1": value, "none": 1.0} for value in (8.0, 8.0, 7.0))))
    low, high = stats.t.interval(0.95, 2, 20 / 3, stats.sem([7, 7, 6]))
    assert ring.verdict == HOLDS and ring.interval == pytest.approx((low, high))
    assert ring.estimate == pytest.approx(20 / 3)
    same = decide(of, results(of, *[{"R1": 8.0, "none": 1.0}] * 3))  # all seeds agree
    assert (same.verdict, same.interval, same.p) == (HOLDS, (7.0, 7.0), 0.0)
    assert decide(of, results(of, *[{"R1": 1.0, "none": 1.0}] * 3)).verdict == UNDECIDED
    assert decide(of, results(of, *[{"R1": 0.0, "none": 1.0}] * 3)).verdict == CONTRADICTED


def test_an_interval_that_ends_at_the_threshold_holds_unless_the_claim_is_strict(tmp_path):
    ends = [{"R1": 5.0, "none": 1.0}] * 3
    for bound, verdict in (("at_least", HOLDS), ("above", UNDECIDED)):
        of = claim(tmp_path, RATIO.replace("ratio: {at_most: 0.9}", f"difference: {{{bound}: 4}}"))
        assert decide(of, results(of, *ends)).verdict == verdict
    for bound, verdict in (("at_most", HOLDS), ("below", UNDECIDED)):
        of = claim(tmp_path, RATIO.replace("ratio: {at_most: 0.9}", f"difference: {{{bound}: -4}}"))
        assert decide(of, results(of, *[{"R1": 1.0, "none": 5.0}] * 3)).verdict == verdict


def test_nothing_is_decided_before_all_runs_are_over(tmp_path):
    of = claim(tmp_path)
    decision = decide(of, results(of, {"R1": 1.0, "none": 10.0}, {"R1": 1.0, "none": 11.0}, {"R1": 1.0}))
    assert (decision.verdict, decision.interval, decision.p, decision.missing) == (NOT_RUN, None, None, 1)
    assert decision.effects == pytest.approx({0: 0.1, 1: 1 / 11})


def test_a_run_without_a_value_is_named_and_leaves_the_claim_undecided(tmp_path):
    """What a recipe comes to is not what it comes to where it does not diverge."""
    of = claim(tmp_path)
    decision = decide(of, results(of, {"R1": 1.0, "none": 10.0}, {"R1": 1.1, "none": 10.0},
                                  {"R1": "diverged", "none": 10.0}, reason="a loss is nan"))
    assert (decision.verdict, decision.p, [*decision.effects]) == (UNDECIDED, None, [0, 1])
    assert decision.interval[1] < 0.9
    assert decision.failures == {("R1", 2): "diverged: a loss is nan"}
    one = decide(of, results(of, {"R1": 1.0, "none": 10.0}, *[{"R1": "diverged", "none": 10.0}] * 2))
    assert (one.verdict, one.interval, len(one.failures)) == (UNDECIDED, None, 2)


def test_a_run_that_the_machine_failed_is_missing_and_decides_nothing(tmp_path):
    of = claim(tmp_path)
    decision = decide(of, results(of, *[{"R1": 1.0, "none": 10.0}] * 2, {"R1": "failed", "none": 10.0},
                                  reason="no progress for 120 minutes"))
    assert (decision.verdict, decision.missing) == (NOT_RUN, 1)


def test_a_seed_of_which_there_is_no_ratio_is_named(tmp_path):
    of = claim(tmp_path)
    decision = decide(of, results(of, {"R1": 1.0, "none": 10.0}, {"R1": 1.1, "none": 10.0}, {"R1": 0.0, "none": 10.0}))
    assert [*decision.effects] == [0, 1] and decision.failures == {("R1", 2): "there is no ratio of 0"}
    assert decision.verdict == UNDECIDED


def test_arms_that_share_their_runs_have_them_once(tmp_path):
    of = claim(tmp_path, RATIO.replace('["trick=[r1]"]', "[]") + "at: {none: 50}\n")
    assert decide(of, {}).missing == 3


def test_a_pattern_holds_if_enough_runs_show_it_and_is_contradicted_if_none_does(tmp_path):
    pattern = "pattern: {parts: 3, falls_then_rises: d, rises_then_falls: g}"
    of = claim(tmp_path, RATIO.replace("metric: fid_digits", pattern).replace("ratio: {at_most: 0.9}", "seeds: 2")
               .replace('R1: ["trick=[r1]"], ', ""))
    shown, other = [2.0, 1.0, 2.0, 1.0, 2.0, 1.0], [1.0, 2.0, 3.0, 1.0, 2.0, 1.0]
    verdicts = {}
    for count in range(4):
        decision = decide(of, results(of, *[{"none": shown}] * count, *[{"none": other}] * (3 - count)))
        verdicts[count] = decision.verdict
        assert decision.estimate == sum(decision.effects.values()) == count and decision.p is None
    assert verdicts == {0: CONTRADICTED, 1: UNDECIDED, 2: HOLDS, 3: HOLDS}
    assert decide(of, results(of, *[{"none": other}] * 2, {"none": "diverged"})).verdict == UNDECIDED


def test_holm_as_worked_by_hand():
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1 (Holm 1979's steps), none smaller than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([0.2]) == [0.2] and holm([]) == []


def test_holm_never_decides_less_than_bonferroni_nor_more_than_one_test():
    ps = np.random.default_rng(1).uniform(size=20).tolist()
    assert all(p <= each <= min(1, 20 * p) for p, each in zip(ps, holm(ps), strict=True))


def test_the_page_says_how_many_hold_in_the_company_of_the_others(tmp_path):
    """Two claims hold with p = 0.001 and 0.02: twice that and 0.02 by Holm; beside a third with 0.5, 0.003 and 0.04."""
    def decision(name: str, p: float | None, verdict: str) -> Decision:
        return replace(decide(claim(tmp_path), {}), claim=replace(claim(tmp_path), name=name), p=p, verdict=verdict)

    two = [decision("one", 0.001, HOLDS), decision("two", 0.02, HOLDS)]
    assert "hold, 2 of 2 pass 2.5 % after Holm's correction." in claims_page(two)
    assert "hold, 1 of 2 pass 2.5 %" in claims_page([*two, decision("three", 0.5, UNDECIDED)])
    assert "Of those that hold" not in claims_page([decision("three", 0.5, UNDECIDED), decision("four", None, HOLDS)])


def test_p_of_values_that_all_agree_is_all_or_nothing():
    assert p_beyond([2.0, 2.0], 1.0, lower=False) == 0 and p_beyond([2.0, 2.0], 1.0, lower=True) == 1
    assert p_beyond([1.0, 1.0], 1.0, lower=False) == 1
