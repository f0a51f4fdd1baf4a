"""model.initialise: a generator that starts where another stopped, and files that are needed only then."""

from functools import partial

import pytest
import safetensors.torch
import torch
from torch import nn

from saddlepoint import build
from saddlepoint.errors import RequestError
from saddlepoint.losses import perceptual
from saddlepoint.networks.rrdb import RRDBNet
from saddlepoint.networks.srresnet import SRResNet
from saddlepoint.runs import checkpoint
from saddlepoint.runs.resuming import continuation
from saddlepoint.sampling.loading import load_module
from saddlepoint.training.first_weights import initialise
from saddlepoint.training.train import train
from tests.composing import settings

TINY = ("data=sr_folder", "data.subset_size=2", "trainer=cpu", "data.batch_size=4", "data.image_size=16",
        "model.generator.width=4", "model.generator.num_blocks=1", "model.discriminator.width=4", "budget.images=4",
        "callbacks=none", "logger=none", "perceptual=random")
SRGAN = ("model=srgan", *TINY)


def rrdb(**changes) -> RRDBNet:
    return RRDBNet(**{"width": 4, "growth": 2, "num_blocks": 1} | changes)


def equal(one: nn.Module, other: nn.Module) -> bool:
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][name], states[1][name])
                                                        for name in states[0])


def first(source: str | None, **more):
    """-> what build.module is handed for model.initialise=source"""
    return partial(initialise, model={"initialise": source, "initialise_discriminator": None} | more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained one, whose generator people see is an average"""
    return train(settings(*SRGAN, "trick=[ema]", "budget.images=12"), tmp_path_factory.mktemp("first") / "run")


@pytest.mark.parametrize("place", [".", "checkpoints/last.ckpt"])
def test_a_run_begins_with_the_generator_that_people_see_of_another(place, run):
    before, _ = load_module(run / "checkpoints" / "last.ckpt")
    module = build.module(settings(*SRGAN, "seed=7", "trick=[ema]"), first(str(run / place)))
    assert equal(module.generator, before.sampling_generator) and not equal(module.generator, before.generator)
    assert equal(module.sampling_generator, module.generator)  # the average begins there too
    untouched = build.module(settings(*SRGAN, "seed=7"))
    assert equal(module.discriminator, untouched.discriminator) and not equal(module.generator, untouched.generator)


@pytest.mark.parametrize("write", [
    lambda state, path: torch.save({"params_ema": state}, path.with_suffix(".pth")) or path.with_suffix(".pth"),
    lambda state, path: safetensors.torch.save_file(state, path.with_suffix(".safetensors"))
    or path.with_suffix(".safetensors")])
def test_files_of_basicsrs_layout_are_read(write, tmp_path):
    source = rrdb()
    path = write(source.state_dict(), tmp_path / "weights")
    esrgan = settings("model=esrgan", *TINY, "model.generator.growth=2")
    assert equal(build.module(esrgan, first(str(path))).generator, source)


@pytest.mark.parametrize(("generator", "words"), [
    (SRResNet(width=4, num_blocks=1), ["holds RRDBNet (x4, ", "model.generator is SRResNet (x4, ", "the same network"]),
    (rrdb(width=8), ["conv_first.weight is [4, 3, 3, 3] there and [8, 3, 3, 3] here"]),
    (rrdb(scale=2), ["RRDBNet (x4", "RRDBNet (x2", "conv_first.weight is [4, 3, 3, 3] there and [4, 12, 3, 3] here"]),
    (rrdb(num_blocks=2), ["body.1.rdb1.conv1.weight is missing there and [2, 4, 3, 3] here"]),
])
def test_another_network_is_refused_in_a_sentence_that_names_both(generator, words, tmp_path):
    torch.save(rrdb().state_dict(), tmp_path / "weights.pth")
    before = {name: values.clone() for name, values in generator.state_dict().items()}
    with pytest.raises(RequestError) as refusal:
        first(str(tmp_path / "weights.pth"))({"generator": generator})
    assert all(word in str(refusal.value) for word in (f"model.initialise={tmp_path / 'weights.pth'}", *words))
    assert all(torch.equal(values, before[name]) for name, values in generator.state_dict().items())


def test_an_srresnet_is_refused_as_another_network_whether_or_not_its_file_tells_of_the_skip(tmp_path):
    torch.save(SRResNet(width=4, num_blocks=1).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(RequestError, match=r"holds SRResNet \(x4, .*model.generator is RRDBNet \(x4, "):
        first(str(tmp_path / "weights.pth"))({"generator": rrdb()})


def test_a_file_that_is_not_there_or_holds_something_else_is_refused_before_there_is_a_run_directory(tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    for source, sentence in (("nowhere.pth", "neither a name known here nor a file"), ("text.pth", "cannot be read")):
        with pytest.raises(RequestError, match=f"model.initialise=.*{source} cannot be used: .*{sentence}"):
            train(settings(*SRGAN, f"model.initialise={tmp_path / source}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_without_the_file_it_began_with_and_still_names_it(tmp_path):
    source = tmp_path / "first.pth"
    torch.save(SRResNet(width=4, num_blocks=1).state_dict(), source)
    begin = (*SRGAN, f"model.initialise={source}", f"run.dir={tmp_path / 'run'}")
    train(settings(*begin))
    source.unlink()
    on = settings(*begin, "budget.images=8", f"resume={tmp_path / 'run'}")
    train(on, continuation=continuation(on, ["budget.images=8"], None))
    saved = checkpoint.load(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert saved["images_seen"] == 8 and saved["settings"]["model"]["initialise"] == str(source)


def test_a_finished_run_needs_neither_the_file_it_began_with_nor_vggs(tmp_path, monkeypatch):
    torch.save(SRResNet(width=4, num_blocks=1).state_dict(), tmp_path / "first.pth")
    begun = train(settings(*SRGAN, f"model.initialise={tmp_path / 'first.pth'}"), tmp_path / "run")
    (tmp_path / "first.pth").unlink()
    path = begun / "checkpoints" / "last.ckpt"
    saved = checkpoint.load(path)
    saved["settings"]["perceptual"] = settings("model=srgan", "data=sr_folder")["perceptual"]  # vgg19
    checkpoint.save(path, saved)
    monkeypatch.setattr(perceptual, "vgg19_file", lambda weights: pytest.fail("VGG's weights were looked for"))
    module, _ = load_module(path)
    assert all(torch.equal(values, saved["module"][f"generator.{name}"])
               for name, values in module.generator.state_dict().items())
