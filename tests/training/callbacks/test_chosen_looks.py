"""Callbacks that are chosen beside the default ones: histograms, and what D finds realest and fakest."""

import operator

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from saddlepoint import build
from saddlepoint.data.pixels import to_bytes
from saddlepoint.errors import RequestError
from saddlepoint.game.modes import evaluating
from saddlepoint.metrics.images import EvaluationBlocks, GeneratedImages
from saddlepoint.runs import checkpoint
from saddlepoint.runs.resuming import continuation
from saddlepoint.training.callbacks.realest_and_fakest import RealestAndFakest
from saddlepoint.training.train import train
from tests.composing import settings

SMALL = ("trainer=cpu", "model=mlp", "data.image_size=28", "model.generator.widths=[4]",
         "model.discriminator.widths=[4]", "data.batch_size=8", "data.subset_size=64", "trick=[ema]")
CHOSEN = "callbacks=[none,histograms,realest_and_fakest]"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("chosen")
    chosen = train(settings(*SMALL, CHOSEN, "budget.images=64", "callbacks.histograms.every_images=32",
                            "callbacks.realest_and_fakest.num_images=24", "callbacks.realest_and_fakest.shown=4"),
                   place / "chosen")
    return chosen, train(settings(*SMALL, "callbacks=none", "logger=none", "budget.images=64"), place / "none")


def test_they_change_no_bit(runs):
    chosen, none = (checkpoint.load(run / "checkpoints" / "last.ckpt")["module"] for run in runs)
    tensors = [name for name, value in none.items() if isinstance(value, torch.Tensor)]
    assert tensors and all(torch.equal(chosen[name], none[name]) for name in tensors)


def test_weights_and_gradients_have_histograms_of_all_their_numbers(runs):
    events = EventAccumulator(str(runs[0]), size_guidance={"histograms": 0})
    events.Reload()
    weights = checkpoint.load(runs[0] / "checkpoints" / "last.ckpt")["module"]
    tags = events.Tags()["histograms"]
    trained = {tag.removeprefix("weights/") for tag in tags if tag.startswith("weights/")}
    assert trained == {name for name in weights if name.startswith(("generator.", "discriminator.")) and name.endswith(
        (".weight", ".bias"))}
    for name in trained:
        shown = events.Histograms(f"weights/{name}")
        assert [event.step for event in shown] == [0, 32, 64]
        end = shown[-1].histogram_value
        assert (end.num, end.min) == (weights[name].numel(), weights[name].min().item())
        below = [(weights[name] <= limit).sum().item() for limit in end.bucket_limit[:-1]]
        shown_below = [sum(end.bucket[:index + 1]) for index in range(len(below))]
        assert sum(end.bucket) == end.num and end.bucket_limit[-1] == pytest.approx(end.max, rel=1e-6)
        assert max(map(abs, map(operator.sub, below, shown_below)), default=0) <= 1  # where a number is on a limit
        assert end.sum == pytest.approx(weights[name].double().sum().item(), rel=1e-6, abs=1e-6)
        assert [event.step for event in events.Histograms(f"weights_gradient/{name}")] == [32, 64]  # none at the start


def test_a_run_goes_on_with_them(runs, capsys):
    longer = settings(*SMALL, CHOSEN, f"resume={runs[0]}", "budget.images=96", "logger=csv")
    train(longer, continuation=continuation(longer, ["budget.images=96", "logger=csv"], None))
    assert "callbacks.histograms has nothing to show histograms in: type logger=tensorboard" in capsys.readouterr().err
    pictures = [int(path.stem.rpartition("_")[2]) for path in (runs[0] / "samples").glob("realest_and_fakest_*")]
    assert {8, 64, 72, 96} <= set(pictures)


class Brightness(nn.Module):
    """A discriminator of patches that finds images with a bright eleventh row real."""

    def forward(self, images, labels):
        return images[:, :, 10].double().mean(2)[:, :, None, None].expand(-1, 1, 2, 2)


def brightness(image):
    return image[0, 10].double().mean().item()


def test_rows_are_sorted_by_what_the_discriminator_says():
    made = settings(*SMALL, CHOSEN, "callbacks.realest_and_fakest.num_images=40")
    data = build.data(made)
    data.prepare_data()
    data.setup("fit")
    module = build.module(made)
    [callback] = [each for each in build.callbacks(made, data, module) if isinstance(each, RealestAndFakest)]
    module.networks["discriminator"] = Brightness()
    with evaluating(module.sampling_generator) as generator, torch.no_grad():
        fakes = generator(module.latents.of_images(0, 0, 40), torch.zeros(40, dtype=torch.long))
        shown = callback.extremes(module, GeneratedImages(generator, module.latents, None, 0, 40))
    reals = data.evaluation_images("train").limited(40)
    pairs = ((to_bytes(fakes), shown),
             (reals.block(range(40)).images, callback.extremes(module, EvaluationBlocks(reals))))
    for images, (realest, fakest) in pairs:
        ranked = sorted(map(brightness, images))
        assert list(map(brightness, realest)) == ranked[:-9:-1] and list(map(brightness, fakest)) == ranked[:8]


def test_a_discriminator_of_pairs_is_refused():
    made = settings("model=bigan_mlp", "data.image_size=28", "callbacks=[encoding,realest_and_fakest]")
    with pytest.raises(RequestError, match="judges something else: leave realest_and_fakest out of callbacks="):
        build.callbacks(made, build.data(made), build.module(made))
