"""Provides BatchNorm over the batch of all processes, on CPUs too, which torch's own SyncBatchNorm refuses."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from saddlepoint.parallel.collectives import global_mean, place


class SynchronisedBatchNorm(_BatchNorm):
    """A BatchNorm that in training computes mean and variance, with gradient, over the batches of all processes, which
    must be equally large. Statistics are float32 at least, as torch's are. In evaluation it is as torch's BatchNorm,
    and in training too where one process alone looks (`synchronises` is false)."""

    synchronises = True

    def _check_input_dim(self, values: Tensor) -> None:
        """Accepts [N, C] and [N, C, ...] alike."""

    def forward(self, values: Tensor) -> Tensor:
        """[N, C, ...] -> the same shape"""
        if not (self.training and self.synchronises):
            return super().forward(values)
        axes = [0, *range(2, values.ndim)]
        exact = values.to(torch.promote_types(values.dtype, torch.float32))
        shape = (1, -1, *[1] * (values.ndim - 2))
        mean = global_mean(exact.mean(axes))
        centred = exact - mean.view(shape)
        variance = global_mean(centred.square().mean(axes))
        count = values.numel() // values.shape[1] * place()[1]
        self._update_running_statistics(mean.detach(), variance.detach(), count)
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(values.dtype)

    def _update_running_statistics(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Updates the running statistics, with the unbiased variance of `count` values, as torch does."""
        if not self.track_running_stats:
            return
        self.num_batches_tracked += 1
        momentum = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        unbiased = variance * (count / (count - 1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


def synchronise_batchnorm(network: nn.Module) -> None:
    """Replaces every BatchNorm in the network by a synchronised one with the same parameters and buffers."""
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, _BatchNorm) and not isinstance(layer, SynchronisedBatchNorm):
                setattr(parent, name, _synchronised(layer))


def _synchronised(layer: _BatchNorm) -> SynchronisedBatchNorm:
    synchronised = SynchronisedBatchNorm(layer.num_features, layer.eps, layer.momentum, layer.affine,
                                        layer.track_running_stats, device="meta")
    synchronised.weight, synchronised.bias = layer.weight, layer.bias
    if layer.track_running_stats:
        for name, buffer in layer.named_buffers():
            setattr(synchronised, name, buffer)
    return synchronised.train(layer.training)
