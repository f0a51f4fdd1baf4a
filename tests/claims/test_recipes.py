"""Runs whose words make another recipe today, since a yaml file that they name has changed."""

import json
import math
from dataclasses import replace

import pytest

from saddlepoint.claims.recipes import change, recorded
from saddlepoint.claims.results import Result, read_results, write_results
from saddlepoint.config import former
from saddlepoint.config.paths import changed
from saddlepoint.errors import RequestError
from saddlepoint.runs.recipe import recipe
from tests.composing import settings

WORDS = ("budget.images=100", "loss=hinge", "trick=[r1]")


def result(*words: str, **changes: object) -> Result:
    """Returns a run with these words, and the recipe that they make with some settings changed."""
    composed = settings(*words, "seed=3", "threads=1")
    return Result(words, 3, "completed", recipe=recorded(changed(composed, changes)))


def test_a_run_has_the_recipe_of_its_words_whatever_its_seed_and_its_threads():
    assert result(*WORDS).recipe and change(result(*WORDS)) == ""


def test_a_trick_typed_without_brackets_is_a_list_of_one():
    """Else no run of a table whose words say trick=ema would ever count for it."""
    typed = result("trick=ema")
    assert typed.recipe["trick"] == ["ema"] and "ema" in typed.recipe["tricks"] and change(typed) == ""


@pytest.mark.parametrize("words", [
    ("data.seed=0",), ("data.seed=3",), ("data=stacked_digits", "extractor=stacked_digits", "data.stack_seed=${seed}")])
def test_a_seed_among_the_words_is_that_of_the_run(words):
    assert change(result(*words)) == ""
    assert "data.batch_size was 7 and is" in change(result(*words, **{"data.batch_size": 7}))


@pytest.mark.parametrize("words", [
    ("experiment=r3gan_mnist5k", "model=r3gan_conditional"), ("experiment=pacgan_ring", "trick=[packing]"),
    ("experiment=pix2pix_facades",), ("trick=[ema,augment]", "tricks.augment.policy=ada"), ("model=infogan",)])
def test_recipes_of_any_kind_are_kept_whole(words):
    composed = settings(*words)
    kept = recorded(composed)
    assert recipe(kept) == {path: value for path, value in recipe(composed).items()
                            if path not in ("model.initialise", "model.initialise_discriminator")}
    assert recorded(kept) == kept == json.loads(json.dumps(kept))


def test_what_differs_is_named_with_both_values():
    changes = {"tricks.r1.gamma": 1.0, "optimizer.generator.lr": 0.5}
    said = change(result(*WORDS, **changes))
    assert said.startswith("its recipe is not the one that its words make today: optimizer.generator.lr was 0.5 and ")
    assert ", tricks.r1.gamma was 1.0 and is 10.0" in said and said.count(" was ") == 2


def test_of_many_differences_three_are_named():
    said = change(replace(result(*WORDS), words=("model=biggan",)))
    assert said.count(" was ") == 3 and said.endswith(" more")


@pytest.mark.parametrize("watching", [
    {"callbacks.sample_quality.every_images": 7}, {"threads": 9}, {"tricks.ema.half_life_images": 7},
    {"data.num_workers": 1}, {"model.initialise": "runs/other"}])
def test_what_changes_nothing_that_is_learnt_is_no_difference(watching):
    assert change(result(*WORDS, **watching)) == ""


def test_settings_that_a_run_has_under_a_former_name_are_the_same(monkeypatch):
    """As is one that the run lacks, since it was added, and did then what its value does now."""
    old = result(*WORDS).recipe
    here = dict(old)
    here["former_budget"] = here.pop("budget")["images"]
    del here["bf16"]
    monkeypatch.setitem(former.RENAMED, "former_budget", "budget.images")
    kept = Result(WORDS, 0, "completed", recipe={**here, "budget": {}})
    assert change(kept) == ""


def test_words_that_make_nothing_today_are_refused_with_the_reason():
    said = change(replace(result(*WORDS), words=("loss=hinged",)))
    assert said.startswith("its words make no recipe today (") and "hinged" in said


def test_a_run_without_a_recorded_recipe_or_of_an_extension_is_not_judged():
    assert change(Result(("loss=hinged",), 0, "completed")) == ""
    assert change(replace(result(*WORDS), words=("extensions=[mine]", "model=biggan"))) == ""
    assert recorded({"seed": 0}) == {}


def test_the_results_file_keeps_each_recipe_once_and_gives_it_back(tmp_path):
    path = tmp_path / "results.jsonl"
    one, other = result(*WORDS), result("loss=wasserstein", "model=dcgan_small")
    odd = replace(other, words=("loss=x",), recipe={"model": {"a": math.inf, "b": [1, None, "é"]}})
    runs = [one, replace(one, seed=4), other, odd, Result(("a=1",), 0, "failed")]
    write_results(path, runs)
    assert len(path.read_text().splitlines()) == 5 + 3
    assert sorted(read_results(path), key=lambda each: each.order) == sorted(runs, key=lambda each: each.order)
    before = path.read_bytes()
    write_results(path, reversed(read_results(path)))
    assert path.read_bytes() == before


@pytest.mark.parametrize("lost, words", [
    (lambda lines: lines[1:], "line 1 cannot be used"),
    (lambda lines: [lines[0].replace("10.0", "11.0"), *lines[1:]], "it is not the recipe that its name says"),
])
def test_results_whose_recipe_is_lost_or_edited_are_refused(tmp_path, lost, words):
    path = tmp_path / "results.jsonl"
    write_results(path, [result(*WORDS)])
    path.write_text("".join(f"{line}\n" for line in lost(path.read_text().splitlines())))
    with pytest.raises(RequestError, match=words):
        read_results(path)
