"""A museum whose maps are certified, and a desk that may publish them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.desk.museum import Museum
from tests.desk.served import ServedDesk, served_desk
from tests.publisher.statement_rows import add_model, certify, consent, enrich, record_ids

OPERATOR, VIEWER = "Olga Operator", "Vi Viewer"
MAPS = record_ids(7)


@pytest.fixture
def museum(engine: Engine) -> Museum:
    """Seven certified maps of a museum that consents; names of accounts that no page may show."""
    with engine.begin() as connection:
        add_model(connection)
        enrich(connection, MAPS)
        certify(connection, MAPS)
        consent(connection)
    museum = Museum(engine)
    museum.execute("ALTER TABLE desk_user ALTER COLUMN id RESTART WITH 10")
    museum.execute("UPDATE desk_user SET name = 'Rita Reviewer' WHERE id = 2")
    museum.user(OPERATOR, "operator")
    museum.user(VIEWER, "viewer")
    return museum


@pytest.fixture
def desk(museum: Museum, tmp_path: Path) -> Iterator[ServedDesk]:
    with served_desk(tmp_path) as desk:
        yield desk


def publish_all(museum: Museum, plan: int = 1) -> None:
    """Each statement of a plan as `publisher send` leaves it."""
    museum.execute(
        """
        UPDATE publication SET state = 'posted', posted_at = now(), sent_at = now(),
               annotation = 'http://data.europeana.eu/annotation/' || right(record_id, 6)
        WHERE plan_id = :plan
        """,
        plan=plan,
    )
    museum.execute("UPDATE publication_plan SET checked_at = now(), asked_at = now()")
