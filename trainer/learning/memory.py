"""A memory that is too small, said in words of our own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from common.errors import EnrichmentError
from trainer.learning.settings import TrainingConfig


@contextmanager
def explaining_memory(config: TrainingConfig, device: torch.device) -> Iterator[None]:
    """Say in words of our own that the memory is too small for a batch.

    Raises:
        EnrichmentError: it is.
    """
    try:
        yield
    except RuntimeError as error:  # of a CPU, PyTorch says it only in words
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise EnrichmentError(
            f"The memory of {device} is too small for batches of {config.batch_size} pictures of "
            f"{config.input_size} px; try a lower --batch-size under another --experiment-name."
        ) from None
