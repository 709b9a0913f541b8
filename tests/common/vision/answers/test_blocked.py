"""What is blocked is the same for Python and for SQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from common.store.decisions import block, consent, refuse
from common.store.session import open_store
from common.vision.answers.blocked import Blocks

MAP, PAINTING = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/47"
PROVIDERS = ["Louvre", "Prado", "Uffi\n zi", None]


@pytest.fixture
def store(database_url: str) -> Iterator[Engine]:
    """A map and a painting of each provider."""
    engine = open_store()
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO concept VALUES (:map, 'map'), (:painting, 'painting')"),
            {"map": MAP, "painting": PAINTING},
        )
        connection.execute(text("INSERT INTO desk_user (name, role) VALUES ('ann', 'operator')"))
        for n, provider in enumerate(PROVIDERS):
            record = text("INSERT INTO record (id, data_provider) VALUES (:id, :provider)")
            connection.execute(record, {"id": f"/1/r{n}", "provider": provider})
    yield engine
    engine.dispose()


def blocked(engine: Engine) -> set[tuple[str, str]]:
    """Records and concepts that are blocked, which Python and SQL agree on."""
    everything = text("""
        SELECT record.id, uri, data_provider FROM record CROSS JOIN concept ORDER BY 1, 2
    """)
    with engine.connect() as connection:
        blocks = Blocks.read(connection)
        in_python = {
            (row.id, row.uri)
            for row in connection.execute(everything)
            if blocks.block(row.uri, row.data_provider or "")
        }
        in_sql = blocks.in_sql(connection)
        rows = connection.execute(
            text(f"""
                SELECT record_id, concept_uri, {in_sql.is_blocked} AS is_blocked,
                       {in_sql.is_free} AS is_free
                FROM (SELECT record.id AS record_id, uri AS concept_uri
                      FROM record CROSS JOIN concept) AS enrichment
            """),
            in_sql.parameters,
        ).all()
    assert all(row.is_blocked is not row.is_free for row in rows)
    assert {tuple(row[:2]) for row in rows if row.is_blocked} == in_python
    return in_python


def test_without_a_decision_nothing_is_blocked(store: Engine) -> None:
    consent(store, "Louvre", reason="by letter", user_id=1)
    with store.connect() as connection:
        blocks = Blocks.read(connection)
        assert not blocks
        assert blocks.in_sql(connection).conditions == ()
    assert blocked(store) == set()


def test_a_concept_is_blocked_for_all(store: Engine) -> None:
    block(store, MAP, data_provider=None, reason="x", user_id=1)
    assert blocked(store) == {(f"/1/r{n}", MAP) for n in range(4)}


def test_a_concept_is_blocked_and_a_provider_refuses_however_it_is_spelt(store: Engine) -> None:
    block(store, MAP, data_provider="Prado", reason="x", user_id=1)
    refuse(store, "Uffi zi", reason="x", user_id=1)
    assert blocked(store) == {("/1/r1", MAP), ("/1/r2", MAP), ("/1/r2", PAINTING)}
    block(store, PAINTING, data_provider=None, reason="x", user_id=1)
    assert blocked(store) == {
        *(("/1/r1", MAP), ("/1/r2", MAP)),
        *((f"/1/r{n}", PAINTING) for n in range(4)),
    }
