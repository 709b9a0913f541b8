"""Models on disk: a bundle is saved once, and checked whenever it is loaded.

A bundle is a folder. It holds the weights of each member of the ensemble as safetensors, and
pictures with the probabilities that the model gave when it was promoted (the self-test). Its
`model.json` holds the rest that a worker needs, and the sha256 of each file. The sha256 of a bundle
is that of its `model.json`. So it covers every byte of the bundle, and it is checked before
anything is loaded. A model on an encoder names it by its identity, and the encoder is checked in
the same way.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from common.errors import ModelError, UsageError
from common.vision.answers.answering import Answering
from common.vision.answers.familiar_pictures import KNOWN, FamiliarPictures, read_known
from common.vision.answers.likeness import Likeness
from common.vision.answers.saved import load_answering
from common.vision.bundle import (
    DESCRIPTION,
    BundleFile,
    Description,
    read_checked,
    read_description,
    read_tensors,
    sha256_of,
    write_tensors,
)
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import Encoder, load_encoder
from common.vision.model import Model, served_classifier
from common.vision.network import build_classifier
from common.vision.served import Served
from common.vision.weights import StateDict

SELF_TEST = "self_test.safetensors"
LIKENESS = "likeness.safetensors"


def save_bundle(
    folder: Path,
    description: Description,
    members: list[StateDict],
    *,
    encoders: Path | None = None,
    self_test: torch.Tensor | None = None,
    likeness: Likeness | None = None,
    known: FamiliarPictures | None = None,
) -> str:
    """Write a bundle into a new folder and return its sha256.

    The files that `description` names are replaced by the written ones.

    Args:
        members: the weights of each network; of each head `weight` and `bias`.
        encoders: where the description's encoder is.
        self_test: uint8 pictures (n, 3, size, size).
        likeness: by which the model abstains.
        known: the pictures that the model was trained on or measured by.

    Raises:
        ModelError: the weights do not fit the description.
    """
    folder.mkdir(parents=True)
    listed = tuple(
        write_tensors(folder / f"member_{number}.safetensors", state)
        for number, state in enumerate(members)
    )
    complete = replace(description, members=listed, self_test=None, known=None)
    if known is not None:
        tensors = {"keys": torch.from_numpy(known.keys), "files": torch.from_numpy(known.files)}
        complete = replace(complete, known=write_tensors(folder / KNOWN, tensors))
    if likeness is not None:
        tensors = {"references": torch.from_numpy(likeness.references)}
        file = write_tensors(folder / LIKENESS, tensors)
        complete = replace(complete, likeness=file, least_likeness=likeness.least)
    if self_test is not None:
        model = _load(folder, complete, sha256="", encoders=encoders)
        expected = torch.from_numpy(model.probabilities(self_test))
        file = write_tensors(folder / SELF_TEST, {"pictures": self_test, "expected": expected})
        complete = replace(complete, self_test=file)
    text = complete.to_json().encode()
    (folder / DESCRIPTION).write_bytes(text)
    return sha256_of(text)


def bundle_sha256(folder: Path) -> str:
    """The sha256 of a bundle that is not in a store.

    Raises:
        ModelError: there is no bundle.
    """
    return sha256_of(read_checked(folder / DESCRIPTION))


def load_bundle(folder: Path, expected_sha256: str, *, encoders: Path | None = None) -> Model:
    """The model of a bundle, on the CPU, after checking every byte of the bundle.

    Args:
        encoders: where encoders are; the default is beside the bundle.

    Raises:
        ModelError: a file is missing or was changed, or the files do not fit together.
    """
    description = read_description(folder, expected_sha256)
    return _load(folder, description, sha256=expected_sha256, encoders=encoders)


def load_on_encoder(
    folder: Path, description: Description, encoder: Encoder, *, sha256: str
) -> Model:
    """The model of a bundle with heads, on their encoder, which is loaded already.

    Raises:
        ModelError: a file is missing or was changed.
    """
    answering = load_answering(folder, description)
    return _complete(folder, answering, encoder.served, sha256=sha256)


def _load(folder: Path, description: Description, *, sha256: str, encoders: Path | None) -> Model:
    if not description.members:
        raise ModelError(f"{folder} contains a model without weights.")
    if description.encoder is not None:
        encoder = load_encoder(encoders or folder.parent / ENCODERS, description.encoder)
        return load_on_encoder(folder, description, encoder, sha256=sha256)
    members = [_load_member(folder, member, description) for member in description.members]
    answering = load_answering(folder, description)
    served = served_classifier(members, description, sha256=sha256)
    return _complete(folder, answering, served, sha256=sha256)


def _complete(folder: Path, answering: Answering, served: Served, *, sha256: str) -> Model:
    description = answering.description
    read_known(folder, description)  # it is checked like all files
    pictures, expected = _load_self_test(folder, description)
    return Model(
        answering=answering,
        served=replace(served, examples=pictures),
        sha256=sha256,
        self_test_pictures=pictures,
        self_test_expected=expected.numpy(),
    )


def _load_member(folder: Path, member: BundleFile, description: Description) -> nn.Module:
    try:
        classifier = build_classifier(
            description.architecture,
            classes=len(description.labels),
            size=description.preprocessing.size,
        )
        classifier.load_state_dict(read_tensors(folder, member))
    except (RuntimeError, ValueError, AssertionError, UsageError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{folder / member.file} does not fit {description.architecture} with "
            f"{len(description.labels)} classes: {reason}"
        ) from error
    return classifier


def _load_self_test(folder: Path, description: Description) -> tuple[torch.Tensor, torch.Tensor]:
    size, classes = description.preprocessing.size, len(description.labels)
    if description.self_test is None:
        return torch.zeros((0, 3, size, size), dtype=torch.uint8), torch.zeros((0, classes))
    tensors = read_tensors(folder, description.self_test)
    return tensors["pictures"], tensors["expected"]
