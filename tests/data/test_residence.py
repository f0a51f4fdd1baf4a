"""Sets that are kept on the device give the batches of the host, to the bit, without a look at the device."""

from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from saddlepoint.data import residence, workers
from saddlepoint.data.made_pairs import MadePairs
from saddlepoint.data.pair_making import Edges
from saddlepoint.data.paired_files import PairedFolders
from saddlepoint.data.sampling import EndlessOrder, OrderOfReadable
from saddlepoint.data.sources.coloured_digits import ColouredDigits
from saddlepoint.data.sources.digit_sets import MNIST5kDigits
from saddlepoint.data.sources.stacked_digits import StackedDigits
from saddlepoint.data.unpaired_folders import UnpairedFolders
from saddlepoint.errors import RequestError
from tests.data.folder_data import folder, levels, write_grey_levels
from tests.data.formats import write_photo_folder
from tests.data.memory_data import Numbered, numbered
from tests.data.test_unreadable_files import break_off

FLIPPED = {"horizontal_flip": True}


class NumberedPairs(MadePairs, Numbered):
    """Pairs of the numbered images."""


def set_up(data):
    data.prepare_data()
    data.setup("fit")
    return data


def trained_on(data, device: str = "cpu", rank: int = 0, num_processes: int = 1):
    """Gives a set the trainer of a process, as Lightning does."""
    strategy = SimpleNamespace(root_device=torch.device(device))
    data.trainer = SimpleNamespace(global_rank=rank, world_size=num_processes, strategy=strategy)
    return data


def handed_over(data, count: int, device: str = "cpu") -> list[tuple]:
    """Returns batches as they reach a step: loaded, copied and finished on the device."""
    device, batches = torch.device(device), []
    for batch in islice(data.train_dataloader(), count):
        batches.append(data.on_after_batch_transfer(data.transfer_batch_to_device(batch, device, 0), 0))
    return batches


def assert_same(batches: list[tuple], others: list[tuple]) -> None:
    for batch, other in zip(batches, others, strict=True):
        assert type(batch) is type(other)
        for one, another in zip(batch, other, strict=True):
            torch.testing.assert_close(one, another, atol=0, rtol=0)


def made_pairs(**changes):
    return set_up(NumberedPairs(name="pairs", pair=Edges(), source_channels=1, channels=1, image_size=6,
                                batch_size=8, seed=5, **changes))


def digits(**changes):
    return set_up(ColouredDigits(name="coloured_digits", channels=3, image_size=32, batch_size=8, seed=5,
                                 subset_size=90, **changes))


def stacks(num_stacks: int | None, **changes):
    changes.pop("horizontal_flip")  # which stacks have not
    return set_up(StackedDigits(name="stacked_digits", digits=MNIST5kDigits(), channels=3, image_size=28, batch_size=8,
                                seed=5, num_stacks=num_stacks, subset_size=90, **changes))


IN_MEMORY = {"plain": numbered, "padded": lambda **changes: numbered(image_size=8, **changes), "made pairs": made_pairs,
             "two streams": digits, "fixed stacks": lambda **changes: stacks(90, **changes),
             "new stacks": lambda **changes: stacks(None, **changes)}


@pytest.mark.parametrize("make", IN_MEMORY.values(), ids=IN_MEMORY)
def test_batches_from_the_device_are_those_of_the_host(make):
    """Over an epoch's end: 90 images in batches of 8."""
    on_host, on_device = (make(on_device=choice, **FLIPPED) for choice in (False, True))
    assert_same(handed_over(on_host, 25), handed_over(on_device, 25))


def test_a_stream_on_the_device_goes_on_anywhere_and_is_shared_by_processes():
    whole = handed_over(numbered(on_device=False, **FLIPPED), 25)
    later = numbered(on_device=True, **FLIPPED)
    later.start_at(80)
    assert_same(whole[10:], handed_over(later, 15))
    halves = [handed_over(trained_on(numbered(on_device=True, **FLIPPED), "cpu", rank, 2), 25) for rank in (0, 1)]
    for batch, first, second in zip(whole, *halves, strict=True):
        assert torch.equal(batch.real, torch.cat([first.real, second.real]))
        assert torch.equal(batch.labels, torch.cat([first.labels, second.labels]))


@pytest.mark.parametrize("make", IN_MEMORY.values(), ids=IN_MEMORY)
def test_a_batch_on_the_device_reads_no_number_of_it(make):
    """Tensors of the device meta have no numbers: whoever reads one, or mixes them with the CPU's, fails."""
    data = trained_on(make(on_device=True, **FLIPPED), "meta")
    for batch in handed_over(data, 25, "meta"):
        assert all(tensor.device.type == "meta" for tensor in batch)


class Copies(TorchDispatchMode):
    """Counts the operations that take a tensor of one device and give one of another."""

    count = 0

    def __torch_dispatch__(self, operation, types, arguments=(), more=None):
        result = operation(*arguments, **(more or {}))
        before = {each.device for each in arguments if isinstance(each, torch.Tensor)}
        self.count += isinstance(result, torch.Tensor) and bool(before) and result.device not in before
        return result


@pytest.mark.parametrize("make", IN_MEMORY.values(), ids=IN_MEMORY)
def test_nothing_is_copied_to_the_device_for_a_batch_within_an_epoch(make):
    data = trained_on(make(on_device=True, **FLIPPED), "meta")
    device, stream = torch.device("meta"), iter(data.train_dataloader())
    for expected in (True, False, False):  # the first uploads the epoch's order and coins
        with Copies() as copies:
            data.on_after_batch_transfer(data.transfer_batch_to_device(next(stream), device, 0), 0)
        assert (copies.count > 0) == expected


def test_order_and_coins_are_uploaded_once_an_epoch(monkeypatch):
    uploads = []
    monkeypatch.setattr("saddlepoint.data.sampling.upload", lambda table, device: uploads.append(device) or table)
    handed_over(numbered(on_device=True, batch_size=9, **FLIPPED), 30)  # three epochs of ten batches
    assert len(uploads) == 2 * 3


def test_automatically_a_set_is_kept_by_a_gpu_with_four_times_as_much_free(monkeypatch):
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4000, 8000))
    assert residence.is_kept("auto", 1000, gpu) and not residence.is_kept("auto", 1001, gpu)
    assert residence.is_kept(True, 4000, gpu) and not residence.is_kept(False, 1, gpu)
    assert not residence.is_kept("auto", 1, torch.device("cpu"))
    with pytest.raises(RequestError, match=r"on_device=true keeps .* 4.0 kB, and cuda:0 has 4.0 kB free: type "
                                           "data.on_device=false"):
        residence.is_kept(True, 4001, gpu)


def test_a_set_that_is_kept_is_announced_with_its_size(capsys):
    numbered(on_device=True).train_dataloader()
    assert capsys.readouterr().out == "images: all 3.2 kB are kept on cpu (data.on_device=true)\n"  # 90 x 6 x 6 bytes


# Folders


def test_a_folder_that_is_decoded_once_gives_the_stream_of_one_that_is_read_again(tmp_path):
    write_photo_folder(tmp_path, count=11, width=30, height=20)
    for changes in ({}, FLIPPED, {"channels": 1, "resize": "stretch"}):
        again, once = (folder(tmp_path, on_device=choice, **changes) for choice in (False, True))
        assert_same(handed_over(again, 9), handed_over(once, 9))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_files_that_cannot_be_read_are_replaced_by_the_same_others(tmp_path, num_workers, caplog):
    write_grey_levels(tmp_path, range(0, 110, 10))
    for level in (30, 70):
        break_off(tmp_path / f"{level:03}.png")
    again = folder(tmp_path, on_device=False)
    expected = [levels(batch.real) for batch in handed_over(again, 12)]
    once = folder(tmp_path, on_device=True, num_workers=num_workers)
    assert [levels(batch.real) for batch in handed_over(once, 12)] == expected
    assert sorted(once.skipped) == sorted(again.skipped) == ["030.png", "070.png"]
    with pytest.raises(RequestError, match="030.png.*type data.corrupt=skip"):
        folder(tmp_path, on_device=True, corrupt="fail").train_dataloader()


def test_the_order_of_what_can_be_read_follows_from_the_other_order():
    order, readable = EndlessOrder(7, 3), OrderOfReadable(7, 3, {2, 5})
    expected = []
    for position in range(30):
        candidates = [order.images(range(position, position + 1)).item(), *order.other_images(position).tolist()]
        expected.append(next(image for image in candidates if image not in (2, 5)))
    assert readable.images(range(30)).tolist() == expected
    assert readable.on(torch.device("cpu")).images(range(11, 30)).tolist() == expected[11:]


def test_random_crops_are_not_kept(tmp_path):
    write_photo_folder(tmp_path, count=3)
    with pytest.raises(RequestError, match="cropped at another place each time: type data.on_device=false.*"
                                           "or data.crop=center"):
        folder(tmp_path, crop="random", on_device=True)


def test_a_folder_that_does_not_fit_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    write_photo_folder(tmp_path, count=3)
    monkeypatch.setattr(residence, "free_bytes", lambda device: 3 * 16 * 16 * 3 - 1)
    data = folder(tmp_path, on_device=True)
    monkeypatch.setattr("saddlepoint.data.loading.decode", pytest.fail)
    with pytest.raises(RequestError, match="2.3 kB, and this machine has 2.3 kB free: type data.on_device=false"):
        data.train_dataloader()
    gpu = torch.device("cuda", 0)
    monkeypatch.setattr(residence, "free_bytes", lambda device: 1000 if device == gpu else None)
    with pytest.raises(RequestError, match="2.3 kB, and cuda:0 has 1.0 kB free: type data.on_device=false"):
        trained_on(data, gpu).train_dataloader()


def paired(kind, root, **changes):
    write_photo_folder(root / "a", count=5, width=30, height=20)
    write_photo_folder(root / "b", count=5, width=30, height=20)
    return set_up(kind(name="pairs", root=str(root / "a"), source_root=str(root / "b"), channels=3, image_size=16,
                       batch_size=4, seed=5, resize="stretch", **FLIPPED, **changes))


@pytest.mark.parametrize("kind", [PairedFolders, UnpairedFolders])
def test_images_of_two_folders_are_kept_together(tmp_path, kind):
    again, once = (paired(kind, tmp_path, on_device=choice) for choice in (False, True))
    assert_same(handed_over(again, 7), handed_over(once, 7))
    with pytest.raises(RequestError, match="type data.on_device=false.*data.resize=stretch data.load_size=null"):
        paired(kind, tmp_path, on_device=True, load_size=20)


# Workers


def test_automatic_workers_are_the_share_of_the_cores(tmp_path, monkeypatch):
    write_photo_folder(tmp_path, count=3)
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(workers, "_quota", lambda: None)
    data = folder(tmp_path, num_workers="auto")
    assert data.num_workers == 8 and data.describe()[-1] == "loading: 8 processes (data.num_workers=auto)"
    monkeypatch.setattr("saddlepoint.data.images.count_here", lambda: 3)
    assert data.num_workers == 2
    monkeypatch.setattr("saddlepoint.data.images.count_here", lambda: 30)
    assert data.num_workers == 1
    monkeypatch.setattr(workers, "_quota", lambda: 2)
    assert workers.usable_cores() == 2
    assert numbered(num_workers="auto").num_workers == 0  # a batch is gathered faster than it is sent
    assert folder(tmp_path, num_workers=3).num_workers == 3


def test_bytes_are_shown_as_people_read_them():
    assert [residence.in_words(count) for count in (900, 5_340_000, 2_000_000_000)] == ["0.9 kB", "5.3 MB", "2.0 GB"]
