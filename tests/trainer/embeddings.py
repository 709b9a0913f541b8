"""Embeddings of labelled pictures, made without an encoder: a mean for each category, and noise."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.vision.answers.heads import Embeddings, halved
from common.vision.kinds import Kind
from tests.trainer.experiments import CATEGORIES, labelled_pictures
from trainer.data.embedded import EmbeddedData
from trainer.data.split import Indices
from trainer.settings import TrainingSettings

DIMENSION = 12
HEADS = TrainingSettings(encoder="tiny", folds=2)


def around_means(labels: Indices, *, dimension: int = DIMENSION, seed: int = 0) -> Embeddings:
    """An embedding for each label (n,), (n, dimension); some axes spread more than others."""
    chance = np.random.default_rng(seed)
    means = 1.2 * chance.normal(size=(labels.max() + 1, dimension))
    spread = 1 / np.sqrt(1 + np.arange(dimension))
    vectors = (means[labels] + chance.normal(size=(len(labels), dimension))) * spread + 0.2
    return halved(vectors.astype(np.float32))


def one_hot(labels: Indices) -> NDArray[np.bool_]:
    """Targets (n, classes) of labels (n,)."""
    return np.eye(int(labels.max()) + 1, dtype=np.bool_)[labels]


def embedded_pictures(folder: Path, kind: Kind = "single") -> EmbeddedData:
    """35 pictures of three categories on disk, with embeddings that tell most of them."""
    folder.mkdir(parents=True, exist_ok=True)
    data = labelled_pictures(folder, kind, CATEGORIES)
    labels = np.array([example.labels[-1] for example in data.examples])
    return EmbeddedData(data=data, embeddings=around_means(labels))
