"""What jobs' directories are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saddlepoint.config.overrides import parse, quote_path
from saddlepoint.sweeps.naming import directory_name
from saddlepoint.sweeps.summary import Summary


@pytest.mark.parametrize(("overrides", "known", "name"), [
    (["loss=hinge", "seed=1"], ["loss", "seed"], "3_loss=hinge,seed=1"),
    (["trick=[ema,r1]", "+tricks.r1.gamma=5"], ["trick", "tricks.r1.gamma"], "3_trick=ema+r1,gamma=5"),
    (["trick=[]"], ["trick"], "3_trick=none"),
    (["optimizer.generator.lr=1e-4"], ["optimizer.generator.lr", "seed"], "3_lr=1e-4"),
    (["optimizer.generator.lr=1e-4"], ["optimizer.generator.lr", "optimizer.discriminator.lr"], "3_generator.lr=1e-4"),
    (["data.root='/a b/c'"], ["data.root", "x.data.root"], "3_data.root=ab-c"),
    ([], [], "3"),
])
def test_a_directory_is_called_by_its_number_and_what_differs(overrides, known, name):
    assert directory_name(3, overrides, known) == name


@given(st.lists(st.tuples(st.from_regex(r"[a-z/.@]{1,30}", fullmatch=True), st.text(max_size=60)), max_size=8),
       st.integers(0, 10**6))
def test_every_name_is_short_plain_and_starts_with_its_number(settings, number):
    overrides = [f"{name}={value}" for name, value in settings]
    made = directory_name(number, overrides, [name for name, _ in settings])
    assert made.partition("_")[0] == str(number) and len(f"{made}.log".encode()) <= 84
    assert Path(made).name == made and made.isprintable() and not {*" '\"[]()*?$:\\"} & {*made}


def test_a_name_can_be_typed_as_a_run():
    assert parse([quote_path("run=multirun/a/3_loss=hinge,seed=1")])[0].value() == "multirun/a/3_loss=hinge,seed=1"


def test_names_stay_when_the_sweep_grows_or_is_moved(tmp_path):
    first = Summary(tmp_path / "a", "line")
    assert [Path(job.directory).name for job in first.take_up([["seed=0"], ["seed=1"]])] == ["0_seed=0", "1_seed=1"]
    (tmp_path / "a").mkdir()
    first.save()
    (tmp_path / "a").rename(tmp_path / "b")
    grown = Summary(tmp_path / "b", "line").take_up([["seed=1"], ["seed=1", "loss=hinge"]])
    assert [job.directory for job in grown] == [str(tmp_path / "b" / name) for name in
                                                ("1_seed=1", "2_seed=1,loss=hinge")]
