"""Points as a data set: fixed and fresh, their order, packs, shares of several processes, what is told of them."""

import pytest
import torch

from saddlepoint.data.mixtures import Dirac, Ring
from saddlepoint.data.points import EVALUATED, FreshPoints, OrderOfPacks, PointDataModule
from saddlepoint.data.residence import GatheredBatches
from saddlepoint.data.sampling import Batches, EndlessOrder
from saddlepoint.errors import RequestError


def ring(**more) -> PointDataModule:
    data = PointDataModule(**{"name": "ring", "mixture": Ring(), "dimensions": 2, "batch_size": 6, "num_points": 24,
                              **more})
    data.setup()
    return data


def first_batches(data: PointDataModule, count: int, start: int = 0, rank: int = 0, processes: int = 1) -> torch.Tensor:
    batches = iter(Batches(start, data.batch_size, rank, processes))
    taken = [data.training_dataset().__getitems__(next(batches)) for _ in range(count)]
    return torch.cat([data.on_after_batch_transfer(each, 0).real for each in taken])


def in_order(points: torch.Tensor) -> list[tuple[float, ...]]:
    return sorted(map(tuple, points.tolist()))


def test_an_epoch_of_a_fixed_set_has_each_point_once_in_another_order():
    data = ring()
    one, two = first_batches(data, 8).split(24)
    assert in_order(one) == in_order(two) == in_order(data.evaluation_images().points)
    assert not torch.equal(one, two)


@pytest.mark.parametrize("num_points", [24, None])
def test_a_stream_goes_on_from_any_position_with_the_same_points(num_points):
    whole = first_batches(ring(num_points=num_points), 8)
    assert torch.equal(first_batches(ring(num_points=num_points), 3, start=30), whole[30:48])


@pytest.mark.parametrize("num_points", [24, None])
def test_two_processes_share_the_points_of_one(num_points):
    whole = first_batches(ring(num_points=num_points), 4)
    shares = [first_batches(ring(num_points=num_points), 4, rank=rank, processes=2).view(4, 3, 2) for rank in (0, 1)]
    assert torch.equal(torch.cat(shares, 1).view(-1, 2), whole)


def test_fresh_points_are_those_of_their_positions_across_blocks():
    points = FreshPoints(Ring(), labelled=True, seed=4)
    across = range(points.block_size - 3, points.block_size + 5)
    there, modes = points.__getitems__(across)
    apart = [FreshPoints(Ring(), True, 4).__getitems__(range(place, place + 1)) for place in across]
    assert torch.equal(there, torch.cat([each for each, _ in apart]))
    assert torch.equal(modes, torch.cat([each for _, each in apart]))


def test_fresh_points_are_of_the_mixture_and_follow_the_seed():
    points, modes = FreshPoints(Ring(), labelled=True, seed=4).__getitems__(range(20_000))
    distances = (points - Ring().centres[modes]).square().sum(1)
    assert distances.mean().item() == pytest.approx(2 * 0.01 ** 2, rel=0.05)  # E chi^2 of 2 degrees of freedom
    assert (modes.bincount() - 2500).abs().max() < 5 * (20_000 * 7 / 64) ** 0.5
    assert not torch.equal(points, FreshPoints(Ring(), True, 5).__getitems__(range(20_000))[0])


def test_packs_of_a_fixed_set_stay_together_in_every_epoch():
    order = OrderOfPacks(12, seed=0, size=3)
    epochs = order.images(range(36)).view(3, 4, 3)
    assert torch.equal(epochs - epochs[..., :1], torch.arange(3).expand(3, 4, 3))
    assert (epochs[..., 0] % 3 == 0).all()
    assert all(epoch.unique().tolist() == list(range(12)) for epoch in epochs)
    assert len({str(epoch.tolist()) for epoch in epochs}) == 3


def test_packs_are_the_same_wherever_a_batch_begins():
    whole = OrderOfPacks(12, 0, 3).images(range(24))
    for start in range(10):
        assert torch.equal(OrderOfPacks(12, 0, 3).images(range(start, start + 7)), whole[start:start + 7])


def test_packs_of_one_are_the_plain_order():
    assert torch.equal(OrderOfPacks(12, 7, 1).images(range(30)), EndlessOrder(12, 7).images(range(30)))


def test_a_set_of_packs_yields_packs_of_the_set():
    data = ring(fixed_packs=2)
    packs = first_batches(data, 4).view(12, 4)
    assert in_order(packs) == in_order(data.evaluation_images().points.view(12, 4))


def test_order_and_points_of_a_device_are_those_of_the_cpu():
    here = ring(fixed_packs=2).training_dataset()
    there = here.to(torch.device("cpu"))
    assert isinstance(there, GatheredBatches)
    assert torch.equal(there.__getitems__(range(9))[0], here.__getitems__(range(9))[0])


def test_a_fixed_set_is_the_same_for_every_seed_and_its_order_is_not():
    one, other = ring(seed=1), ring(seed=2)
    assert one.identity() == other.identity()
    assert not torch.equal(first_batches(one, 4), first_batches(other, 4))
    assert ring(points_seed=1).identity() != one.identity()


def test_an_identity_tells_mixtures_and_packs_apart():
    identities = [ring(num_points=None).identity(), ring(num_points=None, mixture=Ring(radius=2.0)).identity(),
                  ring(num_points=None, mixture=Ring(standard_deviation=0.02)).identity(), ring().identity(),
                  ring(fixed_packs=2).identity()]
    assert len({str(each) for each in identities}) == 5
    assert ring(num_points=None, seed=3).identity() == identities[0]


def test_labels_are_modes_where_classes_are_asked_for_and_else_0():
    labelled = ring(num_classes=8, num_points=64).evaluation_images()
    assert torch.equal(labelled.labels, torch.cdist(labelled.points, Ring().centres).argmin(1))
    assert not ring().evaluation_images().labels.any()
    assert ring(num_classes=8).class_counts.sum() == 24


def test_fresh_classes_are_drawn_equally_often():
    assert torch.equal(ring(num_classes=8, num_points=None).class_counts, torch.ones(8, dtype=torch.long))


def test_metrics_see_points_of_a_split_that_is_not_trained_on():
    data = ring()
    test = data.evaluation_images("test")
    assert len(test) == 24
    assert not {*in_order(test.points)} & {*in_order(data.evaluation_images().points)}
    assert len(ring(num_points=None).evaluation_images()) == EVALUATED
    with pytest.raises(RequestError, match="has no validation points, only train and test"):
        data.evaluation_images("validation")


@pytest.mark.parametrize(("more", "line"), [
    ({}, "data: 24 points of data=ring, 2 coordinates, 8 modes"),
    ({"fixed_packs": 2}, "data: 24 points of data=ring, 2 coordinates, 8 modes, in packs of 2"),
    ({"num_points": None}, "data: fresh points of data=ring, 2 coordinates, 8 modes"),
    ({"name": "dirac", "mixture": Dirac(), "dimensions": 1, "num_points": 1},
     "data: 1 point of data=dirac, 1 coordinate, 1 mode"),
])
def test_a_line_tells_what_is_trained_on(more, line):
    assert ring(**more).describe() == [line]


@pytest.mark.parametrize(("more", "words"), [
    ({"dimensions": 3}, "data.dimensions=3 must be 2, the coordinates of data.mixture: type data.dimensions=2"),
    ({"num_points": 25, "fixed_packs": 2}, "data.num_points=25 must be a multiple of data.fixed_packs=2: type "
     "data.num_points=26"),
    ({"num_points": None, "fixed_packs": 2}, "data.fixed_packs=2 must be 1"),
    ({"num_classes": 4}, r"data.num_classes=4 must be 0 \(no labels\) or 8"),
    ({"num_points": 0}, "data.num_points=0 must be at least 1"),
])
def test_a_setting_that_does_not_fit_is_refused_with_what_to_type(more, words):
    with pytest.raises(ValueError, match=words):
        ring(**more)
