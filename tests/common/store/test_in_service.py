"""Models in service, for all and for data providers."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, insert, text

from common.errors import UsageError
from common.store.in_service import (
    STANDING,
    begin_service,
    end_service,
    go_back,
    models_in_service,
    retire,
    served_before,
)
from common.store.session import open_store
from common.store.tables import Record

MODELS = text("""
    INSERT INTO model (id, name, version, path, sha256, labels, thresholds, encoder_id)
    SELECT n, 'm', n, 'm-' || n, lpad(CAST(n AS text), 64, '0'), '{}', '{}',
           CASE WHEN n < 4 THEN 1 WHEN n = 4 THEN 2 END
    FROM generate_series(1, 5) AS n
""")
ENCODERS = text("""
    INSERT INTO encoder (id, name, sha256, network, dimension)
    SELECT n, 'e' || n, lpad(CAST(n AS text), 64, '0'), 'timm:x', 4 FROM generate_series(1, 2) AS n
""")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """Models 1 to 3 are on one encoder, 4 on another one, 5 on none; two providers have records."""
    engine = open_store()
    with engine.connect() as connection:
        connection.execute(ENCODERS)
        connection.execute(MODELS)
        for provider in ("Attic", "Museum"):
            connection.execute(insert(Record).values(id=f"/1/{provider}", data_provider=provider))
        yield connection
    engine.dispose()


def serving(connection: Connection) -> dict[str | None, int]:
    return {each.data_provider: each.model_id for each in models_in_service(connection)}


def stages(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT stage FROM model ORDER BY id")).scalars())


def standings(connection: Connection) -> list[str]:
    told = text(f"SELECT {STANDING} FROM model ORDER BY id")
    return list(connection.execute(told).scalars())


def test_a_model_serves_all_and_another_one_a_data_provider(connection: Connection) -> None:
    begin_service(connection, 1)
    begin_service(connection, 2, data_provider="Museum")
    assert serving(connection) == {None: 1, "Museum": 2}
    assert stages(connection)[:2] == ["active", "candidate"]
    assert models_in_service(connection)[1].title == "m v2"
    assert end_service(connection, data_provider="Museum")
    assert not end_service(connection, data_provider="Museum")
    assert serving(connection) == {None: 1}


def test_one_at_a_time_serves(connection: Connection) -> None:
    for model_id in (1, 2, 2):
        begin_service(connection, model_id)
    rows = connection.execute(text("SELECT model_id FROM service ORDER BY id")).scalars().all()
    assert (rows, serving(connection)) == ([1, 2], {None: 2})
    assert standings(connection)[:2] == ["not serving", "serving"]
    assert stages(connection)[:2] == ["candidate", "active"]
    assert end_service(connection)
    assert (serving(connection), stages(connection)[1]) == ({}, "candidate")
    assert standings(connection)[1] == "not serving"


def test_going_back_twice_changes_nothing(connection: Connection) -> None:
    for model_id in (1, 2):
        begin_service(connection, model_id)
    back = go_back(connection)
    assert back is not None
    assert (back.model_id, stages(connection)[:2]) == (1, ["active", "candidate"])
    again = go_back(connection)
    assert again is not None
    assert (again.model_id, stages(connection)[:2]) == (2, ["candidate", "active"])


def test_two_who_go_back_from_one_model_do_not_bring_it_back(connection: Connection) -> None:
    for model_id in (1, 2):
        begin_service(connection, model_id)
    go_back(connection, instead_of=2)
    with pytest.raises(UsageError, match="have already changed, so nothing was done"):
        go_back(connection, instead_of=2)
    assert serving(connection) == {None: 1}
    begin_service(connection, 2, data_provider="Museum")
    assert go_back(connection, data_provider="Museum", instead_of=2) is None
    with pytest.raises(UsageError, match="have already changed, so nothing was done"):
        go_back(connection, data_provider="Museum", instead_of=2)
    assert serving(connection) == {None: 1}


def test_a_data_provider_goes_back_to_the_model_for_all(connection: Connection) -> None:
    begin_service(connection, 1)
    begin_service(connection, 2, data_provider="Museum")
    begin_service(connection, 3, data_provider="Attic")
    assert go_back(connection, data_provider="Museum") is None
    assert serving(connection) == {None: 1, "Attic": 3}
    again = go_back(connection, data_provider="Museum")
    assert again is not None
    assert again.model_id == 2


def test_where_nothing_served_before_there_is_no_way_back(connection: Connection) -> None:
    begin_service(connection, 1)
    with pytest.raises(UsageError, match="No other model served all records before"):
        go_back(connection)
    with pytest.raises(UsageError, match="No other model served Museum before"):
        go_back(connection, data_provider="Museum")
    assert serving(connection) == {None: 1}


def test_a_providers_model_must_be_on_the_encoder_of_the_model_for_all(
    connection: Connection,
) -> None:
    with pytest.raises(UsageError, match="No model serves all records"):
        begin_service(connection, 2, data_provider="Museum")
    begin_service(connection, 1)
    for model_id in (4, 5):
        with pytest.raises(UsageError, match=f"m v{model_id} cannot serve Museum: its encoder"):
            begin_service(connection, model_id, data_provider="Museum")
    with pytest.raises(UsageError, match="no record of data provider 'Nobody'"):
        begin_service(connection, 2, data_provider="Nobody")


def test_a_model_for_all_on_another_encoder_takes_providers_models_out(
    connection: Connection,
) -> None:
    begin_service(connection, 1)
    begin_service(connection, 2, data_provider="Museum")
    assert begin_service(connection, 3) == []
    assert begin_service(connection, 4) == ["Museum"]
    assert serving(connection) == {None: 4}


def test_a_retired_model_serves_nobody(connection: Connection) -> None:
    begin_service(connection, 1)
    begin_service(connection, 2, data_provider="Museum")
    retire(connection, 2)
    assert (serving(connection), stages(connection)[1]) == ({None: 1}, "retired")
    assert standings(connection)[:3] == ["serving", "retired", "not serving"]


def test_nobody_goes_back_to_a_retired_model(connection: Connection) -> None:
    for model_id in (1, 2, 3):
        begin_service(connection, model_id)
    retire(connection, 2)
    assert served_before(connection, None) == 1
    assert (back := go_back(connection)) is not None
    assert back.model_id == 1
    retire(connection, 3)
    with pytest.raises(UsageError, match="No other model served all records before"):
        go_back(connection)
    begin_service(connection, 2, data_provider="Museum")
    begin_service(connection, 3, data_provider="Museum")
    retire(connection, 2)
    assert go_back(connection, data_provider="Museum") is None
    assert serving(connection) == {None: 1}


def test_a_retired_model_comes_back_by_being_put_in_service(connection: Connection) -> None:
    begin_service(connection, 1)
    retire(connection, 2)
    begin_service(connection, 2, data_provider="Museum")
    assert standings(connection)[1] == "serving"
    end_service(connection, data_provider="Museum")
    assert standings(connection)[1] == "not serving"
    assert served_before(connection, "Museum") == 2


def test_a_retirement_keeps_its_time(connection: Connection) -> None:
    since = text("SELECT retired_at FROM model WHERE id = 2")
    retire(connection, 2)
    connection.execute(text("UPDATE model SET retired_at = '2026-01-01' WHERE id = 2"))
    first = connection.scalar(since)
    retire(connection, 2)
    assert connection.scalar(since) == first
