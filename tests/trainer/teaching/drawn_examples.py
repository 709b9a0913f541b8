"""Examples of a refit, drawn without a store."""

import numpy as np

from common.vision.answers.heads import Head, HeadEnsemble
from tests.trainer.embeddings import around_means
from trainer.teaching.examples import TeachingExamples


def drawn(
    *, old: int = 90, judged: int = 30, turned: int = 1, copies: bool = False, seed: int = 0
) -> TeachingExamples:
    """Old labels of three concepts, and verdicts by which these are `turned` so far around.

    With `copies`, half of the judged pictures are copies of the other half.
    """
    shown = np.concatenate([np.arange(old) % 3, np.arange(judged) % 3])
    labels = shown.copy()
    labels[old:] = (labels[old:] + turned) % 3
    embeddings = around_means(shown, seed=seed)
    pictures = [bytes([row // 256, row % 256]) for row in range(len(shown))]
    if copies:
        half = judged // 2
        embeddings[old + half : old + 2 * half] = embeddings[old : old + half]
        pictures[old + half : old + 2 * half] = pictures[old : old + half]
        labels[old + half : old + 2 * half] = labels[old : old + half]
    return TeachingExamples(
        pictures=tuple(pictures),
        records=tuple(f"/1/{row}" for row in range(judged)),
        embeddings=embeddings,
        labels=labels,
        weights=np.ones(len(labels)),
        old=old,
        other_providers=np.ones(old, dtype=np.bool_),
        classes=3,
    )


def silent_model(dimension: int = 12) -> HeadEnsemble:
    """A model that takes everything for the first concept."""
    head = Head.rounded(np.zeros((3, dimension)), np.array([1.0, 0.0, 0.0]))
    return HeadEnsemble((head,), "single", 1.0)
