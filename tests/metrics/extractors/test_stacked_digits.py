"""Stacks of digits whose digits are known."""

import pytest
import torch

from saddlepoint.data.evaluation_images import EvaluationTensor
from saddlepoint.data.sources.mnist5k import MNIST5k
from saddlepoint.errors import RequestError
from saddlepoint.metrics.extractors.classifier import Digits
from saddlepoint.metrics.extractors.stacked_digits import StackedDigits
from saddlepoint.metrics.mode_coverage import of_labels

STACKS = 40


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Stacks [40, 3, 28, 28] uint8 of digits that the classifier reads right, and their digits [40, 3]"""
    data = MNIST5k(name="mnist5k", channels=1, image_size=28, num_classes=10, batch_size=100)
    data.setup("fit")
    everything = data.evaluation_images("train")
    some = everything.limited(200)
    some = some.subset(torch.randperm(200, generator=torch.Generator().manual_seed(0)))  # they are sorted
    images, labels, _ = some.block(range(len(some)))
    right = (Digits()(images).logits.argmax(1) == labels).nonzero()[:, 0][:3 * STACKS].view(3, STACKS).T
    return images[right, 0], labels[right]


def test_the_mode_of_a_stack_is_the_number_its_digits_make(digits):
    stacks, of_stacks = digits
    assert len(set(map(tuple, of_stacks.tolist()))) > 20
    seen = StackedDigits(channels=3)(stacks)
    expected = of_stacks @ torch.tensor([100, 10, 1])
    assert seen.modes.equal(expected) and seen.logits.argmax(1).equal(expected)
    assert [StackedDigits().class_names[mode] for mode in expected.tolist()] == [
        "".join(map(str, each)) for each in of_stacks.tolist()]


def test_a_stacks_probability_is_the_product_of_its_digits(digits):
    stacks, _ = digits
    seen, alone = StackedDigits(channels=2)(stacks[:4, :2]), Digits()
    one, other = (alone(stacks[:4, place, None]) for place in (0, 1))
    expected = one.logits.softmax(1)[:, :, None] * other.logits.softmax(1)[:, None]
    torch.testing.assert_close(seen.logits.exp().view(4, 10, 10), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(seen.logits.exp().sum(1), torch.ones(4), rtol=1e-5, atol=0)
    torch.testing.assert_close(seen.features, torch.cat([one.features, other.features], 1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_there_are_ten_to_the_power_of_channels_modes(channels):
    extractor = StackedDigits(channels)
    assert extractor.num_classes == extractor.mode_rule.count == 10 ** channels
    assert extractor.mode_rule.accuracy == 0.992 and "99.2% of 1,000 digits held out" in extractor.mode_rule.words
    assert not extractor.mode_rule.leaves_out
    extractor.check(channels, 28)


def test_shares_of_digits_are_those_over_all_channels(digits):
    _, of_stacks = digits
    rule = StackedDigits(channels=3).mode_rule
    shares = (of_stacks @ torch.tensor([100, 10, 1])).bincount(minlength=1000).double() / STACKS
    torch.testing.assert_close(of_labels(shares, rule), of_stacks.flatten().bincount(minlength=10) / (3 * STACKS),
                               check_dtype=False)


def test_other_numbers_of_channels_are_refused_with_what_to_type():
    with pytest.raises(ValueError, match="extractor.channels=5 must be 1 to 4"):
        StackedDigits(channels=5)
    stacks = EvaluationTensor("stacks", "train", torch.zeros(2, 2, 28, 28, dtype=torch.uint8), torch.zeros(2).long())
    with pytest.raises(RequestError, match="extractor.channels=3 must be the number of channels of the images, 2: "
                                           "type extractor.channels=2"):
        StackedDigits().check_set(stacks)
    with pytest.raises(RequestError, match="these images have 6 channels: type extractor=random"):
        StackedDigits().check(6, 28)
