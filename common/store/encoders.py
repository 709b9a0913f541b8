"""Encoders of the store: who may be named in a training, and what is kept of each."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, text, update

from common.errors import UsageError
from common.store.model_names import ModelName
from common.store.tables import PromotedModel, RegisteredEncoder
from common.store.tables.seen import add_partition, drop_partition, index_of, partition_of


@dataclass(frozen=True, kw_only=True)
class StoredEncoder:
    """An encoder of the store; `sha256` is its identity."""

    id: int
    name: str
    sha256: str
    network: str
    dimension: int
    licence: str
    created_at: datetime


_COLUMNS = tuple(RegisteredEncoder.__table__.columns)


def stored_encoders(connection: Connection) -> list[StoredEncoder]:
    rows = connection.execute(select(*_COLUMNS).order_by(RegisteredEncoder.name))
    return [StoredEncoder(**row) for row in rows.mappings()]


def find_encoder(connection: Connection, name: str) -> StoredEncoder:
    """The encoder with this name.

    Raises:
        UsageError: there is none; the message names those that exist.
    """
    known = {each.name: each for each in stored_encoders(connection)}
    if name not in known:
        there_are = f"there are: {', '.join(known)}" if known else "there are none yet"
        raise UsageError(f"There is no encoder {name}; {there_are}. Add one: trainer encoders add.")
    return known[name]


def register_encoder(
    connection: Connection, *, name: str, sha256: str, network: str, dimension: int, licence: str
) -> bool:
    """Record an encoder and make the table of its embeddings.

    Returns:
        False if the store has it; a licence that is given now replaces the former.

    Raises:
        UsageError: its name is another encoder's, or it has another name in the store.
    """
    for each in stored_encoders(connection):
        if (each.name, each.sha256) == (name, sha256):
            if licence:
                _name_licence(connection, each, licence)
            return False
        if each.name == name:
            raise UsageError(
                f"The encoder {name} is already in the store, with other weights or another "
                "preparation of pictures. Choose another name."
            )
        if each.sha256 == sha256:
            raise UsageError(f"This encoder is already in the store: {each.name}.")
    values = {"name": name, "sha256": sha256, "network": network, "dimension": dimension}
    row = insert(RegisteredEncoder).values(**values, licence=licence)
    encoder_id = connection.scalar(row.returning(RegisteredEncoder.id))
    assert encoder_id is not None
    add_partition(connection, encoder_id, dimension)
    return True


def _name_licence(connection: Connection, encoder: StoredEncoder, licence: str) -> None:
    change = update(RegisteredEncoder).where(RegisteredEncoder.id == encoder.id)
    connection.execute(change.values(licence=licence))


def remove_encoder(connection: Connection, encoder: StoredEncoder) -> None:
    """Remove an encoder with all its embeddings.

    Raises:
        UsageError: a model needs it.
    """
    if models := models_on(connection, encoder):
        raise UsageError(
            f"The encoder {encoder.name} cannot be removed: {', '.join(models)} "
            f"need{'s' if len(models) == 1 else ''} it."
        )
    drop_partition(connection, encoder.id)
    connection.execute(delete(RegisteredEncoder).where(RegisteredEncoder.id == encoder.id))


def models_on(connection: Connection, encoder: StoredEncoder) -> list[str]:
    rows = connection.execute(
        select(PromotedModel.name, PromotedModel.version)
        .where(PromotedModel.encoder_id == encoder.id)
        .order_by(PromotedModel.name, PromotedModel.version)
    )
    return [str(ModelName(row.name, row.version)) for row in rows]


@dataclass(frozen=True, kw_only=True)
class KeptEmbeddings:
    """What is kept of an encoder: how many pictures, and the bytes of table and index."""

    encoder: StoredEncoder
    pictures: int
    size: int
    has_index: bool


def kept_embeddings(connection: Connection) -> list[KeptEmbeddings]:
    """What is kept of each encoder; counting takes about a second for ten million pictures."""
    return [_kept(connection, each) for each in stored_encoders(connection)]


def _kept(connection: Connection, encoder: StoredEncoder) -> KeptEmbeddings:
    name = partition_of(encoder.id)
    pictures = connection.scalar(text(f"SELECT count(*) FROM {name}"))
    size = connection.scalar(text("SELECT pg_total_relation_size(:name)"), {"name": name})
    has_index = connection.scalar(
        text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:index)"),
        {"index": index_of(encoder.id)},
    )
    return KeptEmbeddings(
        encoder=encoder, pictures=pictures or 0, size=size or 0, has_index=bool(has_index)
    )
