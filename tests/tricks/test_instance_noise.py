import pytest
import torch

from saddlepoint.game.random_streams import RandomStreams
from saddlepoint.game.schedule import Linear as LinearSchedule
from saddlepoint.tricks.instance_noise import InstanceNoise
from tests.tricks.stand_ins import Quadratic, built, images, step


def noise_on(shown, noise: InstanceNoise, **update) -> torch.Tensor:
    return noise.discriminator_input(shown, step(Quadratic(), **update)) - shown


def test_the_noise_is_normal_with_standard_deviation_sigma():
    noise = noise_on(torch.zeros(1000, 2, 10, 10), InstanceNoise(0.3)).flatten() / 0.3
    count = len(noise)  # the moments of N(0, 1) are 0, 1, 0, 3, known here to within 4 / sqrt(count / variance)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(noise.double().pow(power).mean() - moment) < 4 * (variance / count) ** 0.5


def test_sigma_goes_to_zero_with_its_schedule_and_then_images_pass_untouched():
    noise, shown = InstanceNoise(LinearSchedule(start=0.4, end=0, images=1000)), images(4)
    at_start, at_middle = (noise_on(shown, noise, images_seen=seen) for seen in (0, 500))
    torch.testing.assert_close(at_middle, at_start / 2, atol=1e-6, rtol=1e-4)
    for seen in (1000, 5000):
        assert noise.discriminator_input(shown, step(Quadratic(), images_seen=seen)) is shown


def test_reals_fakes_and_every_further_batch_get_noise_of_their_own():
    critic, shown = Quadratic(), torch.zeros(4, 2, 3, 4)
    noise = InstanceNoise(1.0)
    update = step(critic, stack=built({"instance_noise": noise}, torch.nn.Identity(), critic))
    drawn = torch.stack([noise.discriminator_input(shown, update) for _ in range(3)])
    assert len(drawn.unique()) == drawn.numel()


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_whatever_is_scored_in_either_players_step_is_noisy(player):
    critic = Quadratic()
    stack = built({"instance_noise": InstanceNoise(0.5)}, torch.nn.Identity(), critic)
    update = step(critic, stack=stack, draws=RandomStreams(seed=3, step=9, player=player))
    again = RandomStreams(seed=3, step=9, player=player)
    for shown, labels in ((update.real, update.real_labels), (update.fake, update.fake_labels)):
        noisy = shown + 0.5 * again.normal("instance_noise", shown.shape)
        torch.testing.assert_close(update.score(shown, labels), critic(noisy, labels))


def test_the_same_draws_give_the_same_noise_and_other_steps_players_and_seeds_give_others():
    def drawn(**elsewhere):
        place = {"seed": 0, "step": 0, "player": "generator"} | elsewhere
        return noise_on(images(4), InstanceNoise(1.0), draws=RandomStreams(**place))

    assert torch.equal(drawn(), drawn())
    for other in (drawn(step=1), drawn(seed=1), drawn(player="discriminator")):
        assert not torch.equal(drawn(), other)


def test_the_noise_is_the_same_however_processes_share_the_batch():
    noise, shown = InstanceNoise(1.0), images(8)

    def batches(rank, processes):
        update = step(Quadratic(), draws=RandomStreams(5, 6, rank=rank, num_processes=processes))
        share = shown.chunk(processes)[rank]
        return torch.stack([noise.discriminator_input(share, update) for _ in range(2)])

    assert torch.equal(torch.cat([batches(0, 2), batches(1, 2)], dim=1), batches(0, 1))


def test_a_negative_sigma_is_named():
    with pytest.raises(ValueError, match="tricks.instance_noise.sigma"):
        InstanceNoise(-0.1)
