"""A worker whose device breaks: `python -m tests.worker.processes.breaking PICTURES`.

It is the product's own `run_worker` on a runtime that does its work for so many pictures. Then it
raises what PyTorch raises after a kernel has failed, and goes on to, as CUDA does.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import worker.enrich.model_pool
import worker.process.run
from common.process.log import configure_logging
from common.vision.model import Model
from common.vision.runtimes import RuntimeChoice, TorchRuntime


class Breaking(TorchRuntime):
    """Good for so many pictures."""

    pictures_left: int

    def rows(self, batch: torch.Tensor) -> NDArray[np.float32]:
        self.pictures_left -= len(batch)
        if self.pictures_left < 0:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return super().rows(batch)


def main(pictures: int) -> None:
    """Work until the device breaks."""

    def choose_runtime(
        model: Model, choice: RuntimeChoice, *, cache_dir: Path, device: torch.device
    ) -> Breaking:
        runtime = Breaking(model.served)
        runtime.pictures_left = pictures
        return runtime

    worker.enrich.model_pool.choose_runtime = choose_runtime
    configure_logging()
    sys.exit(worker.process.run.run_worker())


if __name__ == "__main__":
    main(int(sys.argv[1]))
