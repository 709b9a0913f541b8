"""Training data with the embeddings of its pictures."""

from dataclasses import dataclass

from common.vision.heads import Embeddings
from trainer.data.dataset import TrainingData
from trainer.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class EmbeddedData:
    """The readable part of the data, and an embedding of each of its examples, (n, dimension)."""

    data: TrainingData
    embeddings: Embeddings


def embedded(data: TrainingData, settings: TrainingSettings) -> EmbeddedData:
    """The data with the embeddings that the settings' encoder makes."""
    raise LookupError(f"There are no embeddings of {data.source} by {settings.encoder}.")
