"""Import of a shared model: a stranger's files, of which each byte is checked before it is used.

Its thresholds are kept, so that it writes and can be audited. Its promise is not: it was measured
in another store.
"""

from dataclasses import replace
from pathlib import Path

import torch
from sqlalchemy import Engine, select

from common.errors import ModelError
from common.files import read_regular
from common.store.tables import RegisteredEncoder
from common.vision.answers.likeness import Likeness
from common.vision.bundle import sha256_of
from common.vision.weights import StateDict, parsed
from trainer.models.encoders import EncoderSource, add_encoder
from trainer.models.example_pictures import no_pictures
from trainer.models.registry import put_in_service
from trainer.models.store import Promoted
from trainer.report.sharing.shared_folder import MOST_WEIGHTS, WEIGHTS, SharedModel, read_shared
from trainer.settings import checked_name

MOST_MEMBERS = 100


def import_shared(engine: Engine, model_dir: Path, folder: Path, *, name: str) -> Promoted:
    """Add a shared model to the models of the store, as a candidate that promises nothing.

    Raises:
        ModelError: a file is missing, was changed, or does not fit the others.
        UsageError: the name cannot be one, or the encoder's name is another encoder's here.
    """
    checked_name(name, of="a model")
    shared = read_shared(folder)
    parts = _parts(folder, shared)
    if shared.encoder is not None:
        _add_encoder(engine, model_dir, shared, parts.pop("encoder", {}))
    likeness = _likeness(folder, shared, parts.pop("likeness", {}))
    members = [parts.pop(f"member.{number}", {}) for number in range(len(parts))]
    if not members or not all(members) or parts:
        raise ModelError(f"The parts of {folder / WEIGHTS} are not those of a shared model.")
    description = replace(
        shared.model, promise=None, created_from={"shared": shared.title, "data": "unknown here"}
    )
    return put_in_service(
        engine,
        model_dir,
        description,
        members,
        self_test=no_pictures(description.preprocessing),
        name=name,
        active=False,
        likeness=likeness,
    )


def _parts(folder: Path, shared: SharedModel) -> dict[str, StateDict]:
    path = folder / WEIGHTS
    try:
        data = read_regular(path, at_most=MOST_WEIGHTS)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if sha256_of(data) != shared.files[WEIGHTS]:  # as it is now, not as it was when it was checked
        raise ModelError(f"{path} has changed since it was shared: its sha256 is different.")
    parts: dict[str, StateDict] = {}
    for name, tensor in parsed(data, source=str(path)).items():
        first, _, rest = name.partition(".")
        if first == "member":
            number, _, rest = rest.partition(".")
            first = f"member.{number}"
        parts.setdefault(first, {})[rest] = tensor
    if len(parts) > MOST_MEMBERS:
        raise ModelError(f"{path} has more than {MOST_MEMBERS} parts.")
    return parts


def _add_encoder(engine: Engine, model_dir: Path, shared: SharedModel, weights: StateDict) -> None:
    """Add the encoder, unless the store has it, under whichever name."""
    assert shared.encoder is not None
    described = shared.encoder.description
    with engine.connect() as connection:
        known = select(RegisteredEncoder.id).where(RegisteredEncoder.sha256 == described.identity)
        if connection.scalar(known) is not None:
            return
    source = EncoderSource(
        network=described.network,
        weights=weights,
        preprocessing=described.preprocessing,
        licence=shared.encoder.licence,
        described=WEIGHTS,
    )
    added, _ = add_encoder(
        engine, model_dir, checked_name(shared.encoder.name, of="an encoder"), source
    )
    if added.sha256 != described.identity:
        raise ModelError(f"The encoder weights in {WEIGHTS} are not those of model.json.")


def _likeness(folder: Path, shared: SharedModel, tensors: StateDict) -> Likeness | None:
    if shared.least_likeness is None:
        return None
    references = tensors.get("references")
    try:
        if references is None or references.dtype != torch.float16:
            raise ValueError("there are no references in float16")
        return Likeness.of(references.numpy(), shared.least_likeness)
    except ValueError as error:
        raise ModelError(f"{folder / WEIGHTS} cannot give the likeness: {error}.") from error
