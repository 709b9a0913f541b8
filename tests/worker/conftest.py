"""A migrated store with an active model in it, and jobs on that."""

import pytest
from sqlalchemy import Engine, text

from tests.worker.shelf import Shelf, fill_shelf

CONCEPTS = {
    "http://data.europeana.eu/concept/43": "map",
    "http://data.europeana.eu/concept/47": "painting",
}


@pytest.fixture
def model_id(engine: Engine) -> int:
    """An active model that exists in the store only."""
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO concept (uri, label) VALUES (:uri, :label)"),
            [{"uri": uri, "label": label} for uri, label in CONCEPTS.items()],
        )
        return connection.execute(
            text("""
                INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
                VALUES ('test', 1, 'test-1', repeat('0', 64), :labels, '{}', 'active')
                RETURNING id
            """),
            {"labels": list(CONCEPTS)},
        ).scalar_one()


@pytest.fixture
def shelf(engine: Engine) -> Shelf:
    """Models and their jobs, for tests that add enrichments."""
    return fill_shelf(engine)


@pytest.fixture
def records(engine: Engine) -> list[str]:
    """Six hundred records in the store: three chunks, the last one not full."""
    with engine.begin() as connection:
        rows = connection.execute(
            text("""
                INSERT INTO record (id, media_url)
                SELECT '/1/r' || n, 'http://museum.example/' || n FROM generate_series(1, 600) AS n
                RETURNING id
            """)
        )
        return list(rows.scalars())
