"""Write a model as a folder to share. It holds no pickle and no picture."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from common.errors import EnrichmentError, UsageError
from common.store.tables import PromotedModel, RegisteredEncoder
from common.store.teaching.certificates import standing_certificates
from common.store.vocabularies import read_kept
from common.vision.bundle import DESCRIPTION, Description, read_tensors, write_tensors
from common.vision.encoders.description import ENCODERS, read_encoder
from common.vision.saved_model import load_bundle
from common.vision.weights import StateDict
from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from common.vocabulary.writing import written
from trainer.models.catalogue import find_model
from trainer.models.store import StoredModel
from trainer.report.sharing.example_code import example_for
from trainer.report.sharing.model_card import card
from trainer.report.sharing.shared_folder import (
    CARD,
    EXAMPLE,
    NETWORK,
    VOCABULARY_FILE,
    WEIGHTS,
    SharedEncoder,
    SharedModel,
    sha256_of_file,
)
from trainer.report.sharing.whole_network import write_network


def share_model(
    engine: Engine, model_dir: Path, reference: str, folder: Path, *, licence: str | None
) -> SharedModel:
    """Write a model of the store into a new folder: all of it, or no folder.

    Args:
        licence: of the weights; None for that of the encoder.

    Raises:
        UsageError: there is no such model, or the folder is there.
        ModelError: the model's files are missing or were changed, or it cannot be exported to ONNX.
        EnrichmentError: the folder cannot be written.
    """
    stored = find_model(engine, reference)
    if folder.exists():
        raise UsageError(f"{folder} already exists. Give the name of a new folder.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".sharing-", dir=folder.parent))
        try:
            shared = _write(engine, model_dir, stored, scratch, licence)
            scratch.chmod(0o755)
            scratch.rename(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise EnrichmentError(f"{folder} cannot be written: {error.strerror}.") from error
    return shared


def _write(
    engine: Engine, model_dir: Path, stored: StoredModel, folder: Path, licence: str | None
) -> SharedModel:
    bundle = model_dir / stored.path
    model = load_bundle(bundle, stored.sha256)
    described = model.description
    write_tensors(folder / WEIGHTS, _tensors(bundle, model_dir, described))
    files = [folder / WEIGHTS, *write_network(model, folder / NETWORK)]
    with engine.connect() as connection:
        vocabulary = _vocabulary(connection, stored, described)
        certificates = standing_certificates(connection, [stored.id])
        encoder = _encoder(connection, model_dir, described)
    (folder / VOCABULARY_FILE).write_text(written(vocabulary, "turtle"), encoding="utf-8")
    (folder / EXAMPLE).write_text(example_for(described.preprocessing), encoding="utf-8")
    files += [folder / VOCABULARY_FILE, folder / EXAMPLE]
    shared = SharedModel(
        title=stored.title,
        model=replace(
            described,
            members=(),
            self_test=None,
            known=None,
            calibration=None,
            likeness=None,
            least_likeness=None,
        ),
        least_likeness=described.least_likeness,
        encoder=encoder,
        files={each.name: sha256_of_file(each) for each in files},
    )
    of_weights = licence if licence is not None else encoder.licence if encoder else ""
    (folder / DESCRIPTION).write_text(shared.to_json(), encoding="utf-8")
    (folder / CARD).write_text(card(shared, certificates, of_weights), encoding="utf-8")
    return shared


def _tensors(bundle: Path, model_dir: Path, described: Description) -> StateDict:
    parts: dict[str, StateDict] = {
        f"member.{number}": read_tensors(bundle, file)
        for number, file in enumerate(described.members)
    }
    if described.likeness:
        parts["likeness"] = read_tensors(bundle, described.likeness)
    if described.encoder:
        encoder = read_encoder(model_dir / ENCODERS, described.encoder)
        parts["encoder"] = read_tensors(model_dir / ENCODERS / described.encoder, encoder.weights)
    return {
        f"{part}.{name}": tensor
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def _vocabulary(connection: Connection, stored: StoredModel, described: Description) -> Vocabulary:
    asked = select(PromotedModel.vocabulary_id).where(PromotedModel.id == stored.id)
    number = connection.scalar(asked)
    if number is None:
        named = zip(described.concept_uris, described.labels, strict=True)
        return Vocabulary.of(
            VocabularyConcept(uri=uri, category=label, labels={"": label}) for uri, label in named
        )
    kept, own = read_kept(connection, number), set(described.concept_uris)
    return Vocabulary(tuple(each for each in kept.concepts if each.uri in own))


def _encoder(
    connection: Connection, model_dir: Path, described: Description
) -> SharedEncoder | None:
    if described.encoder is None:
        return None
    asked = select(RegisteredEncoder.name, RegisteredEncoder.licence)
    row = connection.execute(asked.where(RegisteredEncoder.sha256 == described.encoder)).one()
    description = read_encoder(model_dir / ENCODERS, described.encoder)
    return SharedEncoder(name=row.name, licence=row.licence, description=description)
