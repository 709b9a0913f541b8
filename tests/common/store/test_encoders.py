"""Encoders of the store: one name, one identity; not removed while a model needs it."""

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import Connection, insert, inspect

from common.errors import UsageError
from common.store.embeddings import keep_vectors
from common.store.encoders import (
    find_encoder,
    kept_embeddings,
    models_on,
    register_encoder,
    remove_encoder,
    stored_encoders,
)
from common.store.session import open_store
from common.store.tables import PromotedModel


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = open_store()
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def register(connection: Connection, name: str = "lite", sha256: str = "a" * 64) -> bool:
    return register_encoder(
        connection, name=name, sha256=sha256, network="timm:x", dimension=3, licence="mit"
    )


def test_an_encoder_is_found_by_its_name(connection: Connection) -> None:
    assert register(connection)
    found = find_encoder(connection, "lite")
    assert (found.network, found.dimension, found.licence) == ("timm:x", 3, "mit")
    assert stored_encoders(connection) == [found]


def test_the_same_encoder_again_changes_nothing(connection: Connection) -> None:
    assert register(connection)
    assert not register(connection)
    assert len(stored_encoders(connection)) == 1


def test_a_name_is_for_one_encoder_and_an_encoder_has_one_name(connection: Connection) -> None:
    register(connection)
    with pytest.raises(UsageError, match="lite is already in the store, with other weights"):
        register(connection, sha256="b" * 64)
    with pytest.raises(UsageError, match="already in the store: lite"):
        register(connection, name="heavy")


def test_an_unknown_encoder_is_named_with_those_that_exist(connection: Connection) -> None:
    with pytest.raises(UsageError, match="There is no encoder dino; there are none yet"):
        find_encoder(connection, "dino")
    register(connection)
    with pytest.raises(UsageError, match="There is no encoder dino; there are: lite"):
        find_encoder(connection, "dino")


def test_what_is_kept_of_each_is_counted_and_goes_with_it(connection: Connection) -> None:
    register(connection)
    encoder = find_encoder(connection, "lite")
    row = np.ones(3, dtype=np.float16)
    keep_vectors(connection, encoder.id, {bytes([n]) * 32: row for n in range(7)})
    (kept,) = kept_embeddings(connection)
    assert (kept.encoder, kept.pictures, kept.has_index) == (encoder, 7, False)
    assert kept.size >= 8192
    remove_encoder(connection, encoder)
    assert kept_embeddings(connection) == []
    assert not inspect(connection).has_table(f"embedding_{encoder.id}")


def test_an_encoder_that_a_model_needs_stays(connection: Connection) -> None:
    register(connection)
    encoder = find_encoder(connection, "lite")
    values = {"name": "pilot", "path": "pilot-1", "labels": [], "thresholds": {}}
    for version in (1, 2):
        row = values | {"version": version, "sha256": f"{version:064}", "encoder_id": encoder.id}
        connection.execute(insert(PromotedModel).values(row))
    assert models_on(connection, encoder) == ["pilot@1", "pilot@2"]
    with pytest.raises(UsageError, match="lite cannot be removed: pilot@1, pilot@2 need it"):
        remove_encoder(connection, encoder)
    assert find_encoder(connection, "lite") == encoder
