"""Concepts and their labels."""

import pytest
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.store.records import keep_concepts
from common.store.session import open_store

MAP, TOY = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/44"


def labels(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT uri, label FROM concept")).all()
    return {row.uri: row.label for row in rows}


def keep(engine: Engine, given: dict[str, str], *, rename: bool = False) -> None:
    with engine.begin() as connection:
        keep_concepts(connection, given, rename=rename)


def test_another_label_for_a_known_concept_is_refused_and_both_are_named(
    database_url: str,
) -> None:
    engine = open_store()
    keep(engine, {MAP: "map"})
    with pytest.raises(UsageError, match=r"'map' in the store and 'karte' here.*--rename-labels"):
        keep(engine, {MAP: "karte", TOY: "toy"})
    assert labels(engine) == {MAP: "map"}


def test_a_concept_is_renamed_on_request(database_url: str) -> None:
    engine = open_store()
    keep(engine, {MAP: "map"})
    keep(engine, {MAP: "karte", TOY: "toy"}, rename=True)
    assert labels(engine) == {MAP: "karte", TOY: "toy"}
