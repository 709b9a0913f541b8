"""A process computes exactly before it opens a device, and knows when memory is short."""

import pytest
import torch

from common.vision.network import compute_exactly, is_out_of_memory
from tests.forking import ran_source

OFF = """
import torch
{begin}
off = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
assert off == (False, False), off
assert not torch.cuda.is_initialized()
if hasattr(torch.backends, "fp32_precision"):  # newer names of the same settings
    here = torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul
    assert {{each.fp32_precision for each in here}} <= {{"none", "ieee"}}
"""


@pytest.mark.parametrize(
    "begin",
    [
        "from common.vision.runtimes.devices import pick_device; pick_device()",
        "from trainer.running.on_devices import parse_devices; parse_devices('cpu')",
        "torch.backends.cuda.matmul.allow_tf32 = True\n"
        "from common.vision.network import compute_exactly; compute_exactly()",
    ],
)
def test_no_process_rounds_to_tf32(begin: str) -> None:
    done = ran_source(OFF.format(begin=begin))
    assert (done.returncode, done.stderr) == (0, "")


def test_older_and_newer_names_of_the_settings_do_not_clash() -> None:
    for _ in range(2):
        compute_exactly()
        assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("CUDA error: out of memory"),  # page-locked memory
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
    ],
)
def test_memory_that_is_short_is_known_in_all_its_forms(error: RuntimeError) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access"))
