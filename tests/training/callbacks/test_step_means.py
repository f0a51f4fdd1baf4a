"""Means over steps: each step counts once, whenever sums are made and wherever a run was interrupted."""

import pytest
import torch

from saddlepoint.losses.adversarial import NonSaturating, Wasserstein
from saddlepoint.training.callbacks import step_means
from saddlepoint.training.callbacks.step_means import StepMeans

LOSS = NonSaturating()


def steps(count: int) -> list[dict[str, torch.Tensor]]:
    """G moves in one of five; R1 is computed in one of sixteen; the last batch is a smaller one."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    played = []
    for step in range(count):
        size = 6 if step < count - 1 else 3
        played.append({"discriminator/total": draw(), "logits/real": draw(size, 1, 2, 2), "logits/fake": draw(size)})
        played[-1] |= {"generator/total": draw()} if step % 5 == 0 else {}
        played[-1] |= {"discriminator/r1": draw(size)} if step % 16 == 0 else {}
    return played


def means(played, loss=LOSS) -> dict[str, torch.Tensor]:
    taken = StepMeans()
    for step in played:
        taken.add(step, loss)
    return taken.take(loss)


def by_hand(played, name: str) -> float:
    values = [step[name].double().mean() for step in played if name in step]
    return float(sum(values) / len(values))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_a_mean_is_over_the_steps_that_computed_it(count):
    played = steps(count)
    found = means(played)
    for name in {name for step in played for name in step}:
        assert found[name].item() == pytest.approx(by_hand(played, name), abs=1e-5), name
    probabilities = [step["logits/fake"].sigmoid().mean().item() for step in played]
    assert found["probability/fake"].item() == pytest.approx(sum(probabilities) / count, abs=1e-5)


def test_accuracy_is_that_of_each_step_by_itself_also_where_only_pairs_count():
    played = steps(70)
    found = means(played, Wasserstein())["logits/accuracy"].item()
    each = [(step["logits/real"].flatten()[:, None] > step["logits/fake"]).float().mean().item() for step in played]
    assert found == pytest.approx(sum(each) / 70, abs=1e-5)


def test_taking_the_means_begins_anew():
    taken = StepMeans()
    for step in steps(10):
        taken.add(step, LOSS)
    taken.take(LOSS)
    assert taken.take(LOSS) == {}
    taken.add({"discriminator/total": torch.tensor(3.0)}, LOSS)
    assert {name: mean.item() for name, mean in taken.take(LOSS).items()} == {"discriminator/total": 3.0}


@pytest.mark.parametrize("at", [1, 17, 64, 100])
def test_a_run_that_goes_on_has_the_same_bits(at, tmp_path):
    played, before = steps(130), StepMeans()
    for step in played[:at]:
        before.add(step, LOSS)
    torch.save(before.state_dict(), tmp_path / "state.pt")
    after = StepMeans()
    after.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert after.numbers == before.numbers
    for step in played[at:]:
        after.add(step, LOSS)
    assert after.take(LOSS) == means(played)


def test_large_logits_do_not_wait(monkeypatch):
    monkeypatch.setattr(step_means, "NUMBERS", 40)
    played, taken = steps(20), StepMeans()
    for step in played:
        taken.add(step, LOSS)
        assert taken.numbers < 40 and len(taken.waiting) < 3
    assert taken.take(LOSS)["logits/real"].item() == pytest.approx(by_hand(played, "logits/real"), abs=1e-5)
