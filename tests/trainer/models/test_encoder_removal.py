"""Removing encoders, as a command, and beside readers."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, text
from typer.testing import CliRunner, Result

from common.store.encoders import register_encoder, stored_encoders
from common.store.session import limit_lock_wait
from common.store.tables import PromotedModel
from tests.trainer.encoders import add_tiny, folders
from trainer.cli import app

Encoders = Callable[..., Result]


@pytest.fixture
def encoders(engine: Engine) -> Encoders:
    """The command `trainer encoders`."""
    return lambda *arguments: CliRunner().invoke(app, ["encoders", *map(str, arguments)])


def test_an_encoder_goes_with_its_files_unless_a_model_needs_it(
    encoders: Encoders, engine: Engine, tmp_path: Path
) -> None:
    stored = add_tiny(engine, tmp_path / "models")
    row = {"name": "pilot", "version": 1, "path": "pilot-1", "sha256": "a" * 64}
    with engine.begin() as connection:
        values = row | {"labels": [], "thresholds": {}, "encoder_id": stored.id}
        connection.execute(insert(PromotedModel).values(values))
    refused = encoders("remove", "tiny")
    assert (refused.exit_code, "pilot@1 needs it" in refused.output) == (2, True)
    assert folders(tmp_path / "models") == [stored.sha256]
    with engine.begin() as connection:
        connection.execute(PromotedModel.__table__.delete())
    assert encoders("remove", "tiny").exit_code == 0
    assert folders(tmp_path / "models") == []


def look(connection: Connection) -> None:
    connection.execute(text("SELECT count(*) FROM embedding"))


def seconds_to_look(engine: Engine) -> float:
    """How long a reader waits that begins now."""
    begun = time.monotonic()
    with engine.connect() as connection:
        look(connection)
    return time.monotonic() - begun


def slowest_look(engine: Engine, during: Future[Result], *, seconds: float) -> float:
    """The longest that readers wait who come one after the other."""
    end, slowest = time.monotonic() + seconds, 0.0
    while time.monotonic() < end and not during.done():
        slowest = max(slowest, seconds_to_look(engine))
    return slowest


def test_who_removes_an_encoder_waits_for_a_reader_and_holds_up_no_other(
    encoders: Encoders, engine: Engine, tmp_path: Path
) -> None:
    add_tiny(engine, tmp_path / "models")
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as reader:
            look(reader)
            removed = pool.submit(encoders, "remove", "tiny")
            assert slowest_look(engine, removed, seconds=3) < 1
            assert not removed.done()
        assert removed.result().exit_code == 0, removed.result().output
    with engine.connect() as connection:
        assert stored_encoders(connection) == []


def test_an_encoder_that_is_always_read_stays_and_that_is_said(
    encoders: Encoders, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = add_tiny(engine, tmp_path / "models")
    monkeypatch.setattr("trainer.models.encoder_removal.PATIENCE", 1.0)
    with engine.connect() as reader:
        look(reader)
        refused = encoders("remove", "tiny")
    assert refused.exit_code == 1
    assert "The encoder tiny cannot be removed now" in refused.output
    with engine.connect() as connection:
        assert stored_encoders(connection) == [stored]
    assert folders(tmp_path / "models") == [stored.sha256]


def test_an_encoder_is_added_beside_a_reader(engine: Engine) -> None:
    with engine.connect() as reader:
        look(reader)
        with engine.begin() as connection:
            limit_lock_wait(connection, 0.2)
            assert register_encoder(
                connection, name="a", sha256="a" * 64, network="x", dimension=3, licence=""
            )
            assert seconds_to_look(engine) < 1
