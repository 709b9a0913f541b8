"""Batch norm over a batch that several processes share.

PyTorch's SyncBatchNorm is for CUDA only; here a CPU does what a card does, so that a team gives the
numbers of one process whatever the architecture. Once trained it is a batch norm as any other.
"""

from typing import Any

import torch
from torch import distributed, nn


class _Total(torch.autograd.Function):
    """The sum over all processes; its gradient is one as well."""

    @staticmethod
    def forward(_: Any, own: torch.Tensor) -> torch.Tensor:
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _Total.forward(_, gradient)


def _total(own: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = _Total.apply(own)  # type: ignore[no-untyped-call]
    return total


class _WholeBatchNorm2d(nn.BatchNorm2d):
    """Takes mean and variance over the pictures of all processes, and lets gradients through."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(batch)
        batch = batch.to(self.weight.dtype)  # mixed precision may have given fewer bits
        count = torch.tensor(float(batch[:, 0].numel()), device=batch.device)
        distributed.all_reduce(count)
        mean = _total(batch.sum((0, 2, 3))) / count
        centred = batch - mean.view(1, -1, 1, 1)
        variance = _total(centred.square().sum((0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None and self.momentum is not None:
                running.lerp_(new, self.momentum)


def normalising_whole_batches(classifier: nn.Module) -> nn.Module:
    """The same classifier, in place: each of its batch norms is one over whole batches."""
    for module in classifier.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _WholeBatchNorm2d
    return classifier
