"""Evidence: what a promotion needs from a fold in addition to its predictions.

It has the likeness of other pictures to those that the fold learned from. Held-back pictures of the
same providers set the limit; the others are the tested pictures. For an ensemble of heads it also
has the logits of the fold's inner heads for the test part. The inner heads are an ensemble like the
promoted one, with less data, and none of them has seen a tested picture.

A large training draws some pictures as references. A part of the data draws in proportion to its
size. So the limit is set with fewer references than the model has, as in a small training. This was
compared with the same number of references for all (December 2026, photographs of buildings, an
eighth set aside, ensembles at a precision of 0.9, three seeds). With a MobileNetV2 2.9 instead of
4.7 % were too different, and 83.0 instead of 81.7 % of a concept were found (mean). With an
EfficientNet-Lite2 it was 3.2 instead of 4.7 %, and 86.9 instead of 85.8 %. Of 1,928 photographs of
museums 99.9 % were too different, and so were all of 710 other foreign pictures. With all pictures
as references 0.1 % more were found, but the comparison takes four times as long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from common.errors import ModelError
from common.files import read_regular, write_atomically
from common.vision.answers.heads import Embeddings
from common.vision.answers.likeness import NEIGHBOURS, likeness, most_references
from common.vision.weights import parsed
from trainer.data.tables import parsing

FILE = "evidence.safetensors"
_MOST_BYTES = 4 << 30  # of a file; logits for a million pictures with a hundred categories


@dataclass(frozen=True, kw_only=True, eq=False)
class Likenesses:
    """`references` are features (m, dimension) of pictures that a fold learned from.

    `held_back` (h,) and `tested` (t,) are the likenesses of other pictures to them.
    """

    references: Embeddings
    held_back: NDArray[np.float64]
    tested: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """`inner_logits` are those of inner heads for the test part, (t, heads, classes).

    `likenesses` is None if the input of a network's last layer is not a row of numbers, or if there
    are too few pictures.
    """

    likenesses: Likenesses | None = None
    inner_logits: NDArray[np.float32] | None = None


def measure_likenesses(
    learned: Embeddings,
    tested: Embeddings,
    held_back: Sequence[tuple[Embeddings, Embeddings]],
    *,
    whole: int,
    seed: int,
) -> Likenesses | None:
    """The likenesses to the pictures learned from; None if there are too few of these.

    Args:
        held_back: features of pictures of the same providers, and features to compare them with; no
            near-duplicates are among these.
        whole: from how many pictures the promoted model draws its references.
    """
    pairs = [(part, rest) for part, rest in held_back if len(part) and len(rest) >= NEIGHBOURS]
    if len(learned) < NEIGHBOURS or not pairs:
        return None
    references = draw_references(learned, whole=whole, seed=seed)
    found = [likeness(part, draw_references(rest, whole=whole, seed=seed)) for part, rest in pairs]
    return Likenesses(
        references=references,
        held_back=np.concatenate(found),
        tested=likeness(tested, references),
    )


def draw_references(features: Embeddings, *, seed: int, whole: int | None = None) -> Embeddings:
    """A random draw of these features: their share of the references of a model of `whole`
    pictures.

    Without `whole`, the model draws from these features alone.
    """
    share = len(features) / (whole or len(features))
    most = max(NEIGHBOURS, round(share * most_references(features.shape[1])))
    if len(features) <= most:
        return features
    drawn = np.random.default_rng(seed).choice(len(features), most, replace=False)
    chosen: Embeddings = features[np.sort(drawn)]
    return chosen


def write_evidence(folder: Path, evidence: Evidence) -> None:
    """Write the evidence of a fold into its folder."""
    tensors: dict[str, torch.Tensor] = {}
    if evidence.likenesses is not None:
        tensors |= {
            name: torch.from_numpy(each) for name, each in vars(evidence.likenesses).items()
        }
    if evidence.inner_logits is not None:
        tensors["inner_logits"] = torch.from_numpy(evidence.inner_logits)
    write_atomically(folder / FILE, safetensors.torch.save(tensors))


def has_evidence(folder: Path) -> bool:
    """Whether a finished fold has evidence; folds of older versions have none."""
    return (folder / FILE).exists()


def read_evidence(folder: Path) -> Evidence:
    """The evidence of a finished fold.

    Raises:
        ModelError: the file is missing or damaged.
    """
    if not has_evidence(folder):
        raise ModelError(
            f"There is no {folder / FILE}. The fold is not finished, or an older version "
            "trained it. Train the fold again. Or promote a single fold of an older version "
            "with --no-abstention."
        )
    with parsing(folder / FILE) as path:
        tensors = parsed(read_regular(path, at_most=_MOST_BYTES), source=str(path))
        found = {name: tensor.numpy() for name, tensor in tensors.items()}
        logits = found.pop("inner_logits", None)
        if found and found.keys() != {field.name for field in fields(Likenesses)}:
            raise ValueError("it lacks data that a promotion needs")
        return Evidence(likenesses=Likenesses(**found) if found else None, inner_logits=logits)
