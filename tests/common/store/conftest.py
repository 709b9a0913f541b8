from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine
from sqlalchemy.engine import make_url

from deploy.local import Services


@pytest.fixture
def engine(services: Services, migrated_template: str) -> Engine:
    """The migrated template itself, for tests that roll back: quicker than a database of their own.

    No connection outlasts its test, since a template that is in use cannot be copied.
    """
    url = make_url(services.postgres.database_url(migrated_template))
    return create_engine(url.set(drivername="postgresql+psycopg2"), poolclass=NullPool)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection
