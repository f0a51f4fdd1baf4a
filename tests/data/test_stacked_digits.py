"""Stacked digits: which digits are in which stack, in which order, and what is known of their modes."""

import pytest
import torch

from saddlepoint.data.pixels import to_bytes
from saddlepoint.data.sampling import EndlessOrder, OrderOfPacks, StoredOrder
from saddlepoint.data.sources.digit_sets import MNIST5kDigits, MNISTDigits
from saddlepoint.data.sources.mnist5k import read_all
from saddlepoint.data.sources.stacked_digits import StackedDigits
from saddlepoint.data.stacking import modes_of, stacked
from saddlepoint.errors import RequestError
from tests.composing import composed
from tests.data.formats import write_idx
from tests.data.memory_data import batches, stream

SMALL = {"channels": 3, "image_size": 28, "batch_size": 8, "num_stacks": 40, "subset_size": 20, "seed": 5}


def stacks(digits=None, **changes) -> StackedDigits:
    settings = SMALL | {"per_stack": changes.get("channels", 3)} | changes
    data = StackedDigits(name="stacked_digits", digits=digits or MNIST5kDigits(), **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def digits_in(data: StackedDigits, images: torch.Tensor) -> torch.Tensor:
    """Finds the number [N, C] of the digit that each channel shows; -1: none of the set's."""
    numbers = {image.numpy().tobytes(): number for number, image in enumerate(data.read("train").images)}
    shown = to_bytes(images).flatten(0, 1)
    return torch.tensor([numbers.get(image.numpy().tobytes(), -1) for image in shown]).view(images.shape[:2])


def test_a_stack_has_a_digit_in_each_channel_and_its_mode_is_the_number_they_spell():
    digits = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 2, 2)  # digit i is filled with i
    numbers = torch.tensor([[3, 0, 1], [2, 2, 2]])
    assert stacked(digits, numbers)[..., 0, 0].tolist() == [[3, 0, 1], [2, 2, 2]]
    assert stacked(digits, numbers).shape == (2, 3, 2, 2)
    assert modes_of(numbers, torch.tensor([0, 2, 5, 7])).tolist() == [702, 555]


@pytest.mark.parametrize("num_stacks", [40, None])
@pytest.mark.parametrize(("channels", "image_size"), [(1, 28), (3, 28), (4, 32)])
def test_training_sees_whole_digits_of_the_set_alone(num_stacks, channels, image_size):
    images = stream(stacks(channels=channels, image_size=image_size, num_stacks=num_stacks), 3)
    assert images.shape == (24, channels, image_size, image_size)
    before = (image_size - 28) // 2
    inside = images[..., before:before + 28, before:before + 28]
    assert torch.count_nonzero(images + 1) == torch.count_nonzero(inside + 1)  # black all round
    data = stacks(channels=channels, num_stacks=num_stacks)
    found = digits_in(data, inside)
    assert found.min() >= 0 and found.max() < 20
    assert len(found.unique()) > 10


def test_fixed_stacks_come_again_in_each_epoch_and_in_another_order():
    data = stacks()
    first, second = stream(data, 10).split(40)
    keys = [[image.numpy().tobytes() for image in part] for part in (first, second)]
    assert sorted(keys[0]) == sorted(keys[1]) and keys[0] != keys[1]
    shown, stored = digits_in(data, first), data.evaluation_images().table
    assert sorted(shown.tolist()) == sorted(stored.tolist())


def test_without_shuffling_the_fixed_stacks_come_as_they_are_stored():
    data = stacks(shuffle=False)
    stored = data.evaluation_images().table
    assert torch.equal(digits_in(data, stream(data, 10)), torch.cat([stored, stored]))


def test_new_stacks_do_not_come_again():
    data = stacks(num_stacks=None, subset_size=None)
    found = digits_in(data, stream(data, 20))
    assert len(found.unique(dim=0)) == 160


@pytest.mark.parametrize("changes", [{}, {"shuffle": False}, {"fixed_packs": 2}, {"num_stacks": None}])
def test_the_stream_goes_on_anywhere(changes):
    whole = stream(stacks(**changes), 12)
    later = stacks(**changes)
    later.start_at(24)
    assert torch.equal(whole[24:], stream(later, 9))


def test_new_stacks_depend_on_their_position_alone_also_where_a_table_of_them_ends():
    whole, later = (stacks(num_stacks=None) for _ in range(2))
    whole.start_at((1 << 14) - 16)
    later.start_at((1 << 14) - 8)
    assert torch.equal(stream(whole, 3)[8:], stream(later, 2))


def test_packs_stay_together_in_every_order():
    assert torch.equal(OrderOfPacks(12, 3, size=1).images(range(24)), EndlessOrder(12, 3).images(range(24)))
    order = OrderOfPacks(12, seed=3, size=3)
    packs = order.images(range(24)).view(2, 4, 3)
    assert torch.equal(packs % 3, torch.arange(3).expand(2, 4, 3))
    assert torch.equal(packs // 3, (packs // 3)[..., :1].expand(2, 4, 3))
    assert [sorted(epoch) for epoch in (packs[..., 0] // 3).tolist()] == [[0, 1, 2, 3]] * 2
    assert not torch.equal(packs[0], packs[1])
    data = stacks(fixed_packs=4)
    stored, shown = data.evaluation_images().table, digits_in(data, stream(data, 5))
    together = {tuple(pack.flatten().tolist()) for pack in stored.split(4)}
    assert {tuple(pack.flatten().tolist()) for pack in shown.split(4)} == together


def test_the_stored_order_is_the_same_in_every_epoch_and_has_coins_of_its_own():
    order = StoredOrder(5, seed=1)
    assert order.images(range(3, 12)).tolist() == [3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert order.on(torch.device("cpu")).images(range(2)).tolist() == [0, 1]


def test_runs_of_other_seeds_share_their_fixed_stacks_and_other_stack_seeds_have_others():
    one, another, other = stacks(seed=1), stacks(seed=2), stacks(stack_seed=1)
    assert torch.equal(one.evaluation_images().table, another.evaluation_images().table)
    assert one.identity() == another.identity()
    assert one.identity() != other.identity()
    assert not torch.equal(stream(one, 5), stream(another, 5))
    assert len({stacks(**change).identity()["contents"] for change in (
        {}, {"num_stacks": None}, {"subset_size": 21}, {"channels": 2}, {"image_size": 32})}) == 5


def test_more_fixed_stacks_begin_with_those_of_fewer():
    few, many = stacks(num_stacks=40), stacks(num_stacks=80)
    assert torch.equal(few.evaluation_images().table, many.evaluation_images().table[:40])


def test_the_fixed_stacks_of_the_papers_number_have_every_mode_about_as_often_as_chance_says():
    """128,000 draws of 1,000 modes, 128 each on average: sum((n - 128)^2 / 128) is chi-squared with 999 degrees of
    freedom, whose mean is 999 and standard deviation sqrt(2 x 999)."""
    data = stacks(num_stacks=128_000, subset_size=None)
    modes = data.evaluation_images().modes
    counts = modes.bincount(minlength=1000)
    assert len(counts) == 1000 and counts.min() > 0
    chi_squared = ((counts - 128.0) ** 2 / 128).sum().item()
    assert abs(chi_squared - 999) < 5 * (2 * 999) ** 0.5
    assert "stacks: each of 3 of 5,000 digits, with 1,000 of 1,000 modes" in data.describe()
    labels = read_all().labels
    assert modes[17] == int("".join(str(labels[number].item()) for number in data.evaluation_images().table[17]))


def test_metrics_see_the_fixed_stacks_or_a_fixed_choice_of_new_ones():
    fixed, new = stacks().evaluation_images(), stacks(num_stacks=None).evaluation_images()
    assert (len(fixed), len(new)) == (40, 50_000)
    assert (new.channels, new.image_size) == (3, 28)
    some = new.limited(7)
    assert len(some) == 7 and torch.equal(some.block(range(2, 5)).images, some.subset(
        torch.tensor([2, 3, 4])).block(range(3)).images)
    assert new.identity() == stacks(num_stacks=None, seed=8).evaluation_images().identity()
    assert new.identity() != fixed.identity()


def test_test_stacks_are_made_of_digits_that_no_training_sees():
    data = stacks(MNIST5kDigits(held_out=100), subset_size=None)
    train, test = ({image.numpy().tobytes() for image in data.read(split).images} for split in ("train", "test"))
    assert (len(data.read("train").labels), len(data.read("test").labels)) == (4900, 100)
    assert not train & test
    assert len(data.evaluation_images("test")) == 50_000
    with pytest.raises(RequestError, match="has no test images, only train: .* data.digits.held_out=1000"):
        stacks().evaluation_images("test")


def test_mnist_gives_its_60000_digits_or_with_the_test_images_70000(tmp_path):
    images, labels = write_idx(tmp_path, count=30)
    test_images, _ = write_idx(tmp_path, count=20, prefix="t10k", seed=1)
    train = stacks(MNISTDigits(), root=str(tmp_path), subset_size=None)
    both = stacks(MNISTDigits("train+test"), root=str(tmp_path), subset_size=None)
    assert train.read("train").images[:, 0].numpy().tolist() == images.tolist()
    assert train.read("train").labels.tolist() == labels.tolist()
    assert train.read("test").images[:, 0].numpy().tolist() == test_images.tolist()
    assert both.read("train").images[:, 0].numpy().tolist() == [*images.tolist(), *test_images.tolist()]
    assert digits_in(both, stream(both, 10)).max() >= 30
    with pytest.raises(RequestError, match="no test images"):
        both.evaluation_images("test")


def test_missing_files_of_mnist_are_named_with_the_setting_that_finds_them(tmp_path, monkeypatch):
    monkeypatch.setattr(StackedDigits, "prepare_data", lambda self: None)
    with pytest.raises(RequestError, match=r"data=stacked_digits are not in data.root=.*nothing"):
        stacks(MNISTDigits(), root=str(tmp_path / "nothing"))


def test_the_yaml_file_chooses_its_digits():
    default, mnist = (composed("data=stacked_digits", *more)[0].data for more in ((), ("data.digits=mnist",)))
    assert default.digits._target_.endswith("MNIST5kDigits") and default.root is None
    assert mnist.digits._target_.endswith("MNISTDigits") and mnist.root == "data/mnist"
    assert composed("data=stacked_digits", "data.per_stack=2")[0].data.channels == 2


@pytest.mark.parametrize(("changes", "message"), [
    ({"per_stack": 5, "channels": 5}, "data.per_stack=5 must be from 1 to 4"),
    ({"per_stack": 2, "channels": 3}, "data.channels=3 must be data.per_stack=2"),
    ({"num_classes": 10}, "data.num_classes=10 must be 0"),
    ({"image_size": 27}, "data.image_size=27 must be at least the 28 pixels"),
    ({"fixed_packs": 3}, "data.num_stacks=40 must be a multiple of data.fixed_packs=3: type data.num_stacks=39"),
    ({"fixed_packs": 5}, "data.batch_size=8 must be a multiple of data.fixed_packs=5: type data.batch_size=5"),
    ({"fixed_packs": 2, "num_stacks": None}, "each stack is new: type data.fixed_packs=1"),
    ({"root": "files"}, "data.root=files has no use with data.digits=mnist5k"),
    ({"digits": MNISTDigits()}, "data.root=null must be the folder with MNIST's files"),
])
def test_what_cannot_be_stacked_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        stacks(**changes)


def test_the_digits_must_be_chosen_and_their_part_be_known():
    with pytest.raises(ValueError, match="data.digits=null makes no stacks: type data.digits=mnist5k or mnist"):
        StackedDigits(name="stacked_digits", **SMALL)
    with pytest.raises(ValueError, match="data.digits.part=all must be one of train, train"):
        MNISTDigits("all")


def test_no_batch_holds_labels():
    assert all(batch.labels.tolist() == [0] * 8 for batch in batches(stacks(), 2))
