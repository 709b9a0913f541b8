"""Models on disk without their networks: heads, likeness and rule, read as arrays.

So who only asks what a model says of embeddings that are kept, such as the desk, loads no torch.
"""

from pathlib import Path

import numpy as np

from common.errors import ModelError
from common.vision.answers.answering import Answering
from common.vision.answers.heads import Head, HeadEnsemble
from common.vision.answers.likeness import MOST_BYTES, Likeness
from common.vision.bundle import BundleFile, Description, read_arrays

_HEAD_BYTES = 512 << 20  # 10,000 classes of 4,000 numbers


def load_answering(folder: Path, description: Description) -> Answering:
    """A model without its network: the heads of one on an encoder, likeness and rule.

    Raises:
        ModelError: a file is missing or was changed, or is none of this model.
    """
    heads = load_heads(folder, description) if description.encoder else None
    likeness = _load_likeness(folder, description)
    if heads and likeness and heads.heads[0].dimension != likeness.references.shape[1]:
        raise ModelError(f"{folder} holds heads and references for different encoders.")
    return Answering(description=description, heads=heads, likeness=likeness)


def load_heads(folder: Path, description: Description) -> HeadEnsemble:
    """The heads of a model on an encoder, without the encoder.

    Raises:
        ModelError: a file is missing or was changed, or is no head of this model.
    """
    classes = len(description.labels)
    heads = tuple(_load_head(folder, file, classes) for file in description.members)
    if not heads:
        raise ModelError(f"{folder} holds a model without weights.")
    if len({head.dimension for head in heads}) != 1:
        raise ModelError(f"{folder} holds heads for different encoders, or none.")
    return HeadEnsemble(heads, description.kind, description.temperature)


def _load_head(folder: Path, file: BundleFile, classes: int) -> Head:
    arrays = read_arrays(folder, file, at_most=_HEAD_BYTES)
    weight, bias = arrays.get("weight"), arrays.get("bias")
    if (
        weight is None
        or bias is None
        or weight.ndim != 2
        or weight.shape[0] != classes
        or not (np.isrealobj(weight) and np.isrealobj(bias))
    ):
        raise ModelError(f"{folder / file.file} is no head for {classes} classes.")
    try:
        return Head.rounded(weight.astype(np.float64), bias.astype(np.float64))
    except ValueError as error:
        raise ModelError(f"{folder / file.file} is no head: {error}.") from error


def _load_likeness(folder: Path, description: Description) -> Likeness | None:
    if description.likeness is None or description.least_likeness is None:
        return None
    arrays = read_arrays(folder, description.likeness, at_most=MOST_BYTES)
    references = arrays.get("references")
    if references is None or references.dtype != np.float16:
        raise ModelError(f"{folder / description.likeness.file} holds no references.")
    try:
        return Likeness.of(references, description.least_likeness)
    except ValueError as error:
        raise ModelError(f"{folder / description.likeness.file}: {error}.") from error
