import io
import math
import sys

import numpy
import pytest
import skimage.data
import torch
from PIL import Image
from torch.nn import functional

from saddlepoint.compat import basicsr
from saddlepoint.data.degradation_blur import Blur, FinalSinc
from saddlepoint.data.degradation_steps import Jpeg, Noise, Resize, poisson_noise, resized, through_jpeg


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photographs(side: int = 96) -> torch.Tensor:
    images = [torch.from_numpy(getattr(skimage.data, name)()[60:60 + side, 100:100 + side].copy())
              for name in ("chelsea", "coffee", "astronaut")]
    return torch.stack(images).permute(0, 3, 1, 2).float() / 255


class TestBlur:
    def test_kernels_have_odd_sizes_of_7_to_21_equally_often_and_the_sum_1(self):
        blur, generator = Blur(sinc_probability=0, shapes=(0, 0, 0, 0, 1, 0), sigma=(3, 3)), seeded()
        sizes = []
        for _ in range(800):
            kernel = blur.kernel(generator)
            assert kernel.shape == (21, 21) and kernel.sum().item() == pytest.approx(1)
            sizes.append(int((kernel[10] > 0).sum()))
        counts = numpy.bincount(sizes, minlength=22)[7:22]
        assert counts[1::2].sum() == 0 and counts[::2].min() > 60  # of 100 expected, four standard deviations away

    def test_sincs_come_as_often_as_asked_and_are_the_only_kernels_below_zero(self):
        blur, generator = Blur(sinc_probability=0.4), seeded()
        rings = sum(bool(blur.kernel(generator).min() < 0) for _ in range(600))
        assert rings / 600 == pytest.approx(0.4, abs=0.08)

    @pytest.mark.parametrize("shape", range(6))
    def test_isotropic_kernels_look_the_same_turned_by_a_right_angle_and_anisotropic_ones_do_not(self, shape):
        blur, generator = Blur(sinc_probability=0, shapes=numpy.eye(6)[shape].tolist(), sigma=(0.5, 3)), seeded()
        kernels = [blur.kernel(generator) for _ in range(20)]
        same = [torch.allclose(kernel, kernel.rot90(), atol=1e-9) for kernel in kernels]
        assert not any(same) if shape % 2 else all(same)

    def test_widths_stay_within_their_range(self):
        blur, generator = Blur(sizes=(41, 41), sinc_probability=0, shapes=(1, 0, 0, 0, 0, 0), sigma=(1, 3)), seeded()
        square = (torch.arange(41, dtype=torch.float64) - 20).square()
        widths = [(blur.kernel(generator).sum(dim=0) * square).sum().sqrt().item() for _ in range(300)]
        assert 1 - 1e-3 <= min(widths) < 1.05 and 2.95 < max(widths) <= 3 + 1e-3

    def test_with_probability_0_images_pass_untouched(self):
        assert torch.equal(Blur(probability=0)(photographs(), seeded()), photographs())

    def test_images_of_a_batch_are_blurred_differently(self):
        same = photographs()[:1].repeat(4, 1, 1, 1)
        blurred = Blur()(same, seeded())
        assert all((blurred[0] - other).abs().max() > 1e-3 for other in blurred[1:])

    def test_without_a_final_sinc_images_stay_and_with_it_they_do_not(self):
        images = photographs()
        torch.testing.assert_close(FinalSinc(probability=0)(images, seeded()), images)
        assert (FinalSinc(probability=1)(images, seeded()) - images).abs().amax(dim=(1, 2, 3)).min() > 1e-3


class TestResize:
    def test_factors_stay_in_range_and_go_up_down_or_neither_as_often_as_asked(self):
        resize, generator = Resize(), seeded()
        factors = numpy.array([resize.factor(generator) for _ in range(3000)])
        assert 0.15 <= factors.min() < 0.16 and 1.49 < factors.max() <= 1.5
        shares = (factors > 1).mean(), (factors < 1).mean(), (factors == 1).mean()
        numpy.testing.assert_allclose(shares, (0.2, 0.7, 0.1), atol=0.035)

    def test_sides_are_the_given_ones_times_the_factor(self):
        halved = Resize(probabilities=(0, 1, 0), factors=(0.5, 1))
        for seed in range(5):
            height, width = halved(photographs(), 40, 60, seeded(seed)).shape[-2:]
            assert 20 <= height <= 40 and width == pytest.approx(1.5 * height, abs=1.5)

    def test_each_of_the_three_ways_is_used(self):
        images = photographs()
        ways = [functional.interpolate(images, size=(30, 31), mode=mode) for mode in ("area", "bilinear", "bicubic")]
        chosen = {next(index for index, way in enumerate(ways) if torch.equal(way, result))
                  for result in (resized(images, 30, 31, seeded(seed)) for seed in range(20))}
        assert chosen == {0, 1, 2}

    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_a_process_of_one_thread_resizes_as_one_of_several_does(self, threads):
        """torch's bilinear interpolation of colours rounds otherwise with one thread."""
        images = torch.rand(1, 3, 230, 211, generator=seeded())
        before = torch.get_num_threads()
        try:
            for seed in range(6):
                torch.set_num_threads(threads)
                expected = resized(images, 130, 111, seeded(seed))
                torch.set_num_threads(1)
                assert torch.equal(resized(images, 130, 111, seeded(seed), threads), expected)
        finally:
            torch.set_num_threads(before)


class TestNoise:
    def test_gaussian_noise_of_a_known_sigma_has_it(self):
        grey = torch.full((2, 3, 100, 100), 0.5)
        noisy = Noise(gaussian_probability=1, sigma=(12, 12), grey_probability=0)(grey, seeded())
        deviations = ((noisy - grey) * 255).std(dim=(2, 3))
        torch.testing.assert_close(deviations, torch.full((2, 3), 12.0), atol=0.4, rtol=0)  # standard error 0.085
        assert not torch.equal(noisy[:, 0], noisy[:, 1])

    def test_sigma_is_drawn_for_each_image_from_its_range(self):
        grey = torch.full((200, 1, 40, 40), 0.5)
        noise = Noise(gaussian_probability=1, sigma=(5, 10))(grey, seeded()) - grey
        deviations = (noise * 255).std(dim=(1, 2, 3))
        assert 4.5 < deviations.min() < 5.5 and 9.5 < deviations.max() < 11

    @pytest.mark.parametrize("gaussian_probability", [0, 1])
    def test_grey_noise_is_the_same_in_all_channels_and_as_frequent_as_asked(self, gaussian_probability):
        ramp = torch.linspace(0.2, 0.8, 256).view(1, 1, 16, 16).expand(300, 3, 16, 16)
        noise = Noise(gaussian_probability, sigma=(5, 5), poisson_scale=(1, 1))(ramp, seeded()) - ramp
        same = (noise[:, 0] - noise[:, 1]).abs().amax(dim=(1, 2)) < 1e-6
        assert same.float().mean().item() == pytest.approx(0.4, abs=0.115)  # four standard deviations

    def test_poisson_noise_has_a_variance_in_proportion_to_brightness(self):
        levels = (torch.arange(256) / 255).view(1, 1, 256).expand(1, 800, 256)  # 256 levels: 256 photons for white
        variances = poisson_noise(levels, seeded()).var(dim=1)[0]
        torch.testing.assert_close(variances[128:], levels[0, 0, 128:] / 256, atol=0, rtol=0.3)  # standard error 0.05
        assert variances[0] == 0
        assert poisson_noise(levels, seeded()).mean().item() == pytest.approx(0, abs=1e-3)

    def test_the_scale_of_poisson_noise_multiplies_it(self):
        ramp = torch.linspace(0.3, 0.7, 4096).view(1, 1, 64, 64)
        single, doubled = (Noise(0, poisson_scale=(scale, scale), grey_probability=0)(ramp, seeded()) - ramp
                           for scale in (0.5, 1.0))
        torch.testing.assert_close(doubled, 2 * single, atol=1e-6, rtol=0)

    def test_values_stay_between_black_and_white(self):
        for gaussian_probability in (0, 1):
            noisy = Noise(gaussian_probability, sigma=(200, 200))(photographs(), seeded())
            assert noisy.min() >= 0 and noisy.max() <= 1

    def test_no_noise_is_none(self):
        torch.testing.assert_close(Noise(1, sigma=(0, 0))(photographs(), seeded()), photographs())
        torch.testing.assert_close(Noise(0, poisson_scale=(0, 0))(photographs(), seeded()), photographs())


class TestJpeg:
    def test_it_is_a_round_trip_through_a_file_of_that_quality(self):
        pixels = photographs().mul(255).byte()
        for image, quality in zip(pixels, (30, 60, 95), strict=True):
            file = io.BytesIO()
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
            assert numpy.array_equal(through_jpeg(image, quality).permute(1, 2, 0), numpy.array(Image.open(file)))

    def test_a_lower_quality_loses_more(self):
        images = photographs()
        errors = [(Jpeg((quality, quality))(images, seeded()) - images).square().mean().item()
                  for quality in (95, 60, 30, 5)]
        assert errors == sorted(errors) and errors[0] < 1e-3

    def test_quality_100_keeps_grey_images_to_a_level(self):
        grey = photographs()[:, :1]
        assert (Jpeg((100, 100))(grey, seeded()) - grey).abs().max() < 1.6 / 255

    def test_each_image_has_its_own_quality(self):
        same = photographs()[:1].repeat(6, 1, 1, 1)
        results = Jpeg()(same, seeded())
        assert len({tuple(result.flatten().tolist()) for result in results}) > 3

    def test_values_outside_the_range_of_images_are_clipped_first(self):
        wild = torch.where(torch.arange(64).view(1, 1, 8, 8) < 32, -3.0, 5.0)
        torch.testing.assert_close(Jpeg((95, 95))(wild, seeded()), wild.clamp(0, 1), atol=0.05, rtol=0)

    if sys.version_info < basicsr.FIRST_PYTHON_WITHOUT:
        @pytest.mark.parametrize("quality", [30, 60, 95])
        def test_it_is_near_basicsrs_through_opencv(self, quality):
            image = photographs()[0]
            bgr = image.flip(0).permute(1, 2, 0).numpy()
            other = basicsr.module("data.degradations").add_jpg_compression(bgr, quality)
            ours = Jpeg((quality, quality))(image[None], seeded())[0]
            difference = ours.flip(0).permute(1, 2, 0).numpy() - other
            loss = bgr - other
            assert math.sqrt((difference**2).mean()) < 0.3 * math.sqrt((loss**2).mean()) + 1 / 255
