"""Makes the blur kernels of Real-ESRGAN (Wang et al. 2021, sections 3.1 and 3.3, https://arxiv.org/abs/2107.10833)
and filters images with them.

A kernel is [size, size], float64, of sum 1, size odd. Widths (sigma) are in pixels, angles in radians. N images, C
channels, H x W pixels. All but `sinc` are functions of q = d^T S^-1 d, where d is the distance from the centre and S
the covariance with standard deviations sigma_x, sigma_y along axes turned by `angle`.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

LANES = 16  # channels that oneDNN filters at once, each with a kernel of its own
FEW = 2**15  # pixels: of fewer, torch may leave a convolution to another library, which rounds differently
SMALLEST = 5  # pixels of a side of a kernel: of a smaller one as well


def gaussian(size: int, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    """Returns exp(-q / 2), normalised: isotropic where both widths are the same."""
    return _normalised(torch.exp(-_quadratic_form(size, sigma_x, sigma_y, angle) / 2))


def generalised_gaussian(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Tensor:
    """Returns exp(-q^beta / 2), normalised (Pascal et al. 2013, https://arxiv.org/abs/1302.6498).

    Its centre is peaked for beta < 1 and flat for beta > 1.
    """
    return _normalised(torch.exp(-_quadratic_form(size, sigma_x, sigma_y, angle) ** beta / 2))


def plateau(size: int, sigma_x: float, sigma_y: float, angle: float, beta: float) -> Tensor:
    """Returns 1 / (1 + q^beta), normalised."""
    return _normalised(1 / (1 + _quadratic_form(size, sigma_x, sigma_y, angle) ** beta))


def sinc(size: int, cutoff: float) -> Tensor:
    """Returns cutoff J1(cutoff r) / (2 pi r), normalised: the ideal low-pass filter, cut off at the kernel's border.

    It rings at edges. `cutoff` is in radians per pixel, above 0 to pi; r is the distance from the centre.
    """
    x, y = _distances(size)
    radius = torch.hypot(x, y)
    values = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius)
    return _normalised(values.where(radius > 0, cutoff**2 / (4 * math.pi)))  # J1(x) / x is 1/2 at 0


def filtered(images: Tensor, kernels: Tensor) -> Tensor:
    """Filters images [N, C, H, W] with a kernel each [N, size, size] -> [N, C, H, W]; borders are mirrored."""
    count, channels, height, width = images.shape
    kernels = _without_zeros_around(kernels)
    size = kernels.shape[-1]
    weights = kernels.to(images).repeat_interleave(channels, dim=0)
    padded = reflected(images, size // 2).reshape(count * channels, height + size - 1, width + size - 1)
    return each_filtered(padded, weights).view_as(images)


def each_filtered(planes: Tensor, kernels: Tensor) -> Tensor:
    """Filters planes [M, H + h - 1, W + w - 1] with a kernel each [M, h, w] -> [M, H, W].

    On a CPU, oneDNN is quick where its sixteen lanes have a plane each. So few planes are cut into strips first, which
    overlap by h - 1 rows: the same sums in the same order, in a quarter of the time.
    """
    num_planes, (rows, columns) = len(planes), kernels.shape[-2:]
    strips = LANES // num_planes if planes.device.type == "cpu" and planes.numel() > FEW else 1
    if strips <= 1:
        return functional.conv2d(planes[None], kernels[:, None], groups=num_planes)[0]
    height, width = planes.shape[-2] - rows + 1, planes.shape[-1]
    of_strip = -(-height // strips)
    planes = functional.pad(planes, (0, 0, 0, of_strip * strips - height))
    cut = planes.unfold(1, of_strip + rows - 1, of_strip).mT.reshape(1, num_planes * strips, -1, width)
    weights = kernels.repeat_interleave(strips, dim=0)[:, None]
    filtered_strips = functional.conv2d(cut, weights, groups=num_planes * strips)
    return filtered_strips.reshape(num_planes, of_strip * strips, width - columns + 1)[:, :height]


def reflected(images: Tensor, margin: int) -> Tensor:
    """Pads images by reflection (2 1 | 0 1 2 ...): [..., H, W] -> [..., H + 2 margin, W + 2 margin].

    The margin may be wider than the image, which torch's own padding refuses.
    """
    if margin < min(images.shape[-2:]):
        return functional.pad(images, (margin,) * 4, mode="reflect")  # the same values in a tenth of the time
    rows, columns = (_mirrored(side, margin).to(images.device) for side in images.shape[-2:])
    return images[..., rows[:, None], columns]


def _without_zeros_around(kernels: Tensor) -> Tensor:
    """Cuts off the borders that are zero in all kernels [N, size, size], down to SMALLEST. They add nothing to a sum,
    not even rounding, and take most of the time of a small kernel in a large square."""
    size = kernels.shape[-1]
    used = (kernels.any(dim=2) | kernels.any(dim=1)).any(dim=0).nonzero()
    if size <= SMALLEST or not len(used):
        return kernels
    margin = min(int(used.min()), size - 1 - int(used.max()), (size - SMALLEST) // 2)
    return kernels[:, margin:size - margin, margin:size - margin]


def _mirrored(length: int, margin: int) -> Tensor:
    period = max(1, 2 * (length - 1))
    places = torch.arange(-margin, length + margin) % period
    return places.where(places < length, period - places)


def _quadratic_form(size: int, sigma_x: float, sigma_y: float, angle: float) -> Tensor:
    x, y = _distances(size)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return (along / sigma_x) ** 2 + (across / sigma_y) ** 2


def _distances(size: int) -> tuple[Tensor, Tensor]:
    """Returns the distances of every pixel from the centre: x to the right, y downwards, each [size, size]."""
    line = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y


def _normalised(values: Tensor) -> Tensor:
    return values / values.sum()
