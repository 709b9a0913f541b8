"""The network that looks at pictures here: one at a time, loaded when a picture needs it.

A desk that reads kept embeddings alone does not load PyTorch. ONNX Runtime would compute faster,
but the export of a network takes longer than a person waits.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from common.errors import RecordError
from common.pictures.decoders import Decoders
from common.process.cores import switch_threads_often
from common.reasons import Reason
from common.vision.answers.heads import halved

if TYPE_CHECKING:
    from worker.enrich.model_pool import LoadedNetwork, ModelPool, ModelsInUse

NETWORKS = 1  # that stay in memory while no request uses them
MAX_WAIT = 0.002  # seconds that a picture waits for those of other requests to share its batch

PictureNumbers = NDArray[np.floating]
"""What a network makes of one picture: an embedding as it is kept, or probabilities."""


class NetworkInMemory:
    """Looks at pictures as workers do; threads share one, and their pictures share batches."""

    def __init__(self, engine: Engine, model_dir: Path) -> None:
        self._engine = engine
        self._model_dir = model_dir
        self._decoders = Decoders()
        self._pool: ModelPool | None = None
        self._opening = threading.Lock()

    def close(self) -> None:
        """Drop the network; no picture may be in work."""
        self._decoders.close()
        if self._pool is not None:
            self._pool.close()

    def look_at(
        self, model_id: int, pictures: Sequence[bytes]
    ) -> list[PictureNumbers | RecordError]:
        """What the network of a model makes of each picture, or the error of that picture.

        The first picture waits while the network is loaded, which may take a minute.

        Raises:
            ModelError: a file is missing or was changed, or the model gives other results than at
                promotion.
            DeviceError: the device fails.
        """
        with self._opened().use(model_id) as models:
            network = models.network()
            waiting = [self._submitted(each, models, network) for each in pictures]
            return [_numbers(each, is_embedding=models.encoder is not None) for each in waiting]

    def _opened(self) -> "ModelPool":
        with self._opening:
            if self._pool is None:
                import torch

                from worker.enrich.model_pool import ModelPool

                torch.set_num_threads(1)  # of each thread that computes, as in workers
                switch_threads_often()  # else other requests wait for those that look
                self._pool = ModelPool(
                    self._engine,
                    self._model_dir,
                    runtime="torch",
                    max_wait=MAX_WAIT,
                    most_networks=NETWORKS,
                )
            return self._pool

    def _submitted(
        self, content: bytes, models: "ModelsInUse", network: "LoadedNetwork"
    ) -> "Future[PictureNumbers] | RecordError":
        preprocessing = models.preprocessing
        try:
            pixels = self._decoders.pixels(content, preprocessing.square, preprocessing.from_pixels)
        except RecordError as error:
            return error
        return network.batcher.submit(pixels)


def _numbers(
    waiting: "Future[PictureNumbers] | RecordError", *, is_embedding: bool
) -> PictureNumbers | RecordError:
    if isinstance(waiting, RecordError):
        return waiting
    try:
        found = waiting.result()
        return halved(found[np.newaxis])[0] if is_embedding else found
    except RecordError as error:
        return error
    except ValueError as error:
        return Reason.RUNTIME_FAILED.error(str(error))
