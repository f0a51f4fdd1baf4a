import random

import numpy
import pytest
import skimage.data
import torch
from torch.nn import functional

from saddlepoint.data.degradation import SecondOrderDegradation
from saddlepoint.data.degradation_blur import Blur, FinalSinc
from saddlepoint.data.degradation_draws import choice, uniform
from saddlepoint.data.degradation_steps import Jpeg, Noise, Resize


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photographs(side: int = 96) -> torch.Tensor:
    images = [torch.from_numpy(getattr(skimage.data, name)()[60:60 + side, 100:100 + side].copy())
              for name in ("chelsea", "coffee", "astronaut")]
    return torch.stack(images).permute(0, 3, 1, 2).float() / 255


def without_anything(scale: int) -> SecondOrderDegradation:
    keep = {"probabilities": (0, 0, 1)}
    return SecondOrderDegradation(
        scale, Blur(probability=0), Resize(**keep), Noise(1, sigma=(0, 0)), Jpeg((100, 100)), Blur(probability=0),
        Resize(**keep), Noise(1, sigma=(0, 0)), Jpeg((100, 100)), FinalSinc(probability=0))


def test_the_result_is_a_fraction_of_the_size_in_levels_of_8_bits():
    for seed in range(12):
        low = SecondOrderDegradation(4).degrade(photographs(), seeded(seed))
        assert low.shape == (3, 3, 24, 24) and low.min() >= 0 and low.max() <= 1
        torch.testing.assert_close(low * 255, (low * 255).round(), atol=1e-4, rtol=0)


def test_the_same_generator_gives_the_same_bits_and_another_other_images():
    degradation = SecondOrderDegradation(4)
    first, again, other = (degradation.degrade(photographs(), seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_global_generator_is_read_or_moved():
    expected = SecondOrderDegradation(2).degrade(photographs(), seeded())
    random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert torch.equal(SecondOrderDegradation(2).degrade(photographs(), seeded()), expected)
    assert before == (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_with_every_step_off_it_is_a_plain_reduction_to_a_level_or_two():
    grey = photographs()[:, :1]  # quality 100 halves the resolution of colours all the same
    ways = [functional.interpolate(grey, size=(24, 24), mode=mode) for mode in ("area", "bilinear", "bicubic")]
    for seed in range(6):
        low = without_anything(4).degrade(grey, seeded(seed))
        assert min((low - way.clamp(0, 1)).abs().max() for way in ways) < 2.6 / 255


def test_the_input_is_left_as_it_was():
    images = photographs()
    SecondOrderDegradation(4).degrade(images, seeded())
    assert torch.equal(images, photographs())


def test_grey_and_odd_and_tiny_images_are_degraded_too():
    for shape in ((2, 1, 33, 47), (1, 3, 8, 8), (1, 1, 5, 16)):
        for seed in range(4):
            images = torch.rand(shape, generator=seeded(seed))
            low = SecondOrderDegradation(4).degrade(images, seeded(seed))
            assert low.shape == (*shape[:2], shape[2] // 4, shape[3] // 4)


def test_the_last_two_steps_come_in_either_order():
    order = []
    for probability in (0, 1):
        degradation = without_anything(2)
        degradation.jpeg_first_probability = probability
        degradation.second_jpeg.register_forward_hook(lambda *_: order.append("jpeg"))
        degradation.final_sinc.register_forward_hook(lambda *_: order.append("sinc"))
        degradation.degrade(photographs(), seeded())
    assert order == ["sinc", "jpeg", "jpeg", "sinc"]


def test_without_settings_the_stages_are_the_papers():
    degradation = SecondOrderDegradation(4)
    assert (degradation.blur.probability, degradation.second_blur.probability) == (1, 0.8)
    assert (degradation.blur.sigma, degradation.second_blur.sigma) == ((0.2, 3), (0.2, 1.5))
    assert (degradation.resize.factors, degradation.second_resize.factors) == ((0.15, 1.5), (0.3, 1.2))
    assert (degradation.noise.sigma, degradation.second_noise.sigma) == ((1, 30), (1, 25))
    assert (degradation.noise.poisson_scale, degradation.second_noise.poisson_scale) == ((0.05, 3), (0.05, 2.5))


@pytest.mark.parametrize(("build", "sentence"), [
    (lambda: SecondOrderDegradation(0), "scale=0 must be a whole number"),
    (lambda: SecondOrderDegradation(4, jpeg_first_probability=2), "jpeg_first_probability=2 must be a probability"),
    (lambda: Blur(sizes=(6, 21)), "blur.sizes=.6, 21. must be two odd numbers"),
    (lambda: Blur(shapes=(1, 0)), "blur.shapes=.1, 0. must be 6 numbers"),
    (lambda: Blur(plateau_beta=(2, 3)), "blur.plateau_beta=.2, 3. must be a range with 1 in it"),
    (lambda: Resize(factors=(1.1, 2)), "resize.factors=.1.1, 2. must be a range with 1 in it"),
    (lambda: Resize(probabilities=(0, 0, 0)), "resize.probabilities=.0, 0, 0. must be 3 numbers"),
    (lambda: Noise(sigma=(30, 1)), "noise.sigma=.30, 1. must be a range"),
    (lambda: Jpeg(quality=(0, 95)), "jpeg.quality=.0, 95. must be a range .low, high. within 1 and 100"),
    (lambda: FinalSinc(probability=-1), "final_sinc.probability=-1 must be a probability"),
])
def test_settings_out_of_range_are_refused_by_name(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()


def test_choices_come_as_often_as_their_probabilities_say():
    generator = seeded()
    counts = numpy.bincount([choice(generator, (0.2, 0, 0.7, 0.1)) for _ in range(4000)], minlength=4)
    numpy.testing.assert_allclose(counts / 4000, (0.2, 0, 0.7, 0.1), atol=0.03)  # four standard deviations


def test_uniform_numbers_fill_their_range():
    generator = seeded()
    numbers = [uniform(generator, -2, 3) for _ in range(2000)]
    assert -2 <= min(numbers) < -1.98 and 2.98 < max(numbers) < 3
    assert numpy.mean(numbers) == pytest.approx(0.5, abs=0.13)
