"""benchmarks/gpu.py without a GPU: its dry run, its records, and that no check can keep the others from running."""

import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def gpu(monkeypatch) -> ModuleType:
    """The script as a module; it finds its neighbours beside it, as it does when Python runs it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu
    return gpu


def lines(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_the_dry_run_tries_what_a_cpu_can_do_and_says_what_it_cannot(gpu, tmp_path, capsys):
    out = tmp_path / "out"
    assert gpu.main(["device=cpu", f"out={out}"]) == 0
    records = lines(out)
    assert {each["check"] for each in records} == set(gpu.CHECKS) and gpu.CHECKS.keys() == gpu.EVERY_CHECK.keys()
    assert {each["outcome"] for each in records} == {"passed", "measured", "skipped"}
    assert {each["reason"] for each in records if each["outcome"] == "skipped"} == {"needs a GPU"}
    assert {each["check"] for each in records if each["outcome"] == "skipped"} == {
        "draws", "found_inf", "waits", "memory", "record"}
    upscaled = [each for each in records if each["check"] == "upscale"]
    assert upscaled[0]["measured"]["largest difference in grey levels"] == 0  # the first is compared with itself
    summary = (out / "summary.md").read_text()
    assert f"- torch: {torch.__version__}" in summary and "| nccl | gloo | passed |" in summary
    assert summary in capsys.readouterr().out


def test_a_step_of_each_family_is_compared_with_the_cpu(gpu, tmp_path):
    out = tmp_path / "out"
    family = "dcgan"
    machine = gpu.Machine(torch.device("cpu"), tmp_path)
    [function] = [function for case, function in gpu.CHECKS["parity"](machine) if case == family]
    out.mkdir()
    records = gpu.Records(out, {})
    gpu.run({"parity": lambda machine: iter([(family, function)])}, machine, records)
    [record] = lines(out)
    assert record["outcome"] == "passed" and set(record["measured"].values()) == {0.0}  # the CPU against itself


@pytest.mark.parametrize("name", ["DCGAN 32x32", "R1+R2+EMA", "SNGAN", "WGAN-GP"])
def test_every_loop_by_hand_moves_both_networks(gpu, tmp_path, name):
    """The dry run plays the first only; a loop that fails on a GPU would leave its row without a ratio."""
    speed, machine = gpu._gpu_speed, gpu.Machine(torch.device("cpu"), tmp_path)
    loop = speed.loop_by_hand(machine, speed.GAMES[name])
    after = [*loop.generator.parameters(), *loop.discriminator.parameters()]
    before = [parameter.clone() for parameter in after]
    loop.step(speed.BatchesOnDevice(machine.device, count=200)())
    assert all(each.isfinite().all() for each in after)
    assert sum(not torch.equal(old, new) for old, new in zip(before, after, strict=True)) > 0.9 * len(before)
    assert sorted(speed.GAMES) == ["DCGAN 32x32", "R1+R2+EMA", "SNGAN", "WGAN-GP"]


def test_what_a_check_raises_is_recorded_and_the_others_go_on(gpu, tmp_path):
    def explode(message: str):
        print("a check says something")
        raise RuntimeError(message)

    def leave():
        raise SystemExit(3)

    def explodes_in_a_case(machine):
        yield "fuse | short", partial(explode, "boom")
        yield "exit", leave
        yield "after", lambda: outcome({"seven": 7}, passed=True)

    def explodes_at_once(machine):
        raise ValueError("no photographs")

    def fails(machine):
        yield "", lambda: outcome({"equal": False}, passed=False)

    outcome = gpu._gpu_speed.Outcome
    records = gpu.Records(tmp_path, {"commit": "abc"})
    checks = {"cases": explodes_in_a_case, "at once": explodes_at_once, "fails": fails}
    gpu.run(checks, gpu.Machine(torch.device("cpu"), tmp_path), records)
    assert [(each["check"], each["case"], each["outcome"]) for each in lines(tmp_path)] == [
        ("cases", "fuse | short", "error"), ("cases", "exit", "error"), ("cases", "after", "passed"),
        ("at once", "", "error"), ("fails", "", "failed")]
    assert lines(tmp_path)[0]["reason"] == "RuntimeError: boom"
    assert lines(tmp_path)[0]["where"][-1].endswith("in explode")
    log = (tmp_path / "output.log").read_text()
    assert "a check says something" in log and "ValueError: no photographs" in log
    summary = (tmp_path / "summary.md").read_text()
    assert r"| cases | fuse \| short | error | RuntimeError: boom |" in summary
    assert "1 passed, 1 failed, 0 measured without a verdict, 0 skipped, 3 ended by an error" in summary


def test_after_the_deadline_cases_and_checks_are_left_out_and_named(gpu, tmp_path, monkeypatch):
    measured = []  # one a second
    monkeypatch.setattr(sys.modules["_gpu_cases"], "time", SimpleNamespace(monotonic=lambda: len(measured)))

    def slow(machine):
        yield "first", lambda: measured.append("first") or gpu._gpu_speed.Outcome({})
        yield "second", lambda: gpu._gpu_speed.Outcome({})

    machine = gpu.Machine(torch.device("cpu"), tmp_path, deadline=0.5)
    gpu.run({"slow": slow, "next": slow}, machine, gpu.Records(tmp_path, {}))
    assert [(each["check"], each["case"], each["outcome"]) for each in lines(tmp_path)] == [
        ("slow", "first", "measured"), ("slow", "second", "skipped"), ("next", "", "skipped")]


def test_without_a_gpu_it_says_so_in_a_sentence_and_leaves_nothing(gpu, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([f"out={tmp_path / 'out'}", "rounds=3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("gpu.py does without rounds") and "has no GPU" in said[1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["only=parity,pairty", "device=tpu", "seconds=soon", "seconds=0", "out=here"])
def test_wrong_arguments_are_refused_as_they_were_typed(gpu, tmp_path, capsys, wrong):
    (tmp_path / "here").write_text("a file")
    assert gpu.main(["device=cpu", "only=nccl", wrong]) == 2
    name, value = wrong.split("=")
    assert f"{name}=" in (said := capsys.readouterr().err) and value in said
