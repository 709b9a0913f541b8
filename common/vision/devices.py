"""Devices: the CPU and CUDA cards, and how a program computes on them."""

import torch

_NO_MEMORY = ("out of memory", "allocate memory", "STATUS_ALLOC_FAILED")


def pick_device() -> torch.device:
    """A CUDA device where there is one, the CPU otherwise."""
    compute_exactly()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_exactly() -> None:
    """Have this process compute in float32 where it says so; call it before a device is opened.

    TF32, which convolutions on a card use by default, keeps 10 bits. The older names of these
    settings work in each release since 2.6; a program must not mix them with the newer ones.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch raised this for want of memory, also page-locked or on a CPU.

    CUDA's libraries, and a CPU, say so in the text alone.
    """
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
