"""Which models are loaded: a running job keeps its own while new jobs use the new one."""

import threading
from pathlib import Path
from typing import get_args

import pytest
import torch
from sqlalchemy import Connection, Engine, text

from common.errors import ModelError
from common.vision.model import Model
from common.vision.runtimes.choice import RuntimeName
from common.vision.saved_model import load_bundle
from tests.common.vision.models import SIZE, model_of
from worker.enrich.models import MAX_LOADED, ModelPool
from worker.process.settings import WorkerSettings

PICTURES = torch.arange(2 * 3 * SIZE * SIZE, dtype=torch.int64).reshape(2, 3, SIZE, SIZE).byte()


@pytest.fixture
def pool(engine: Engine, tmp_path: Path) -> ModelPool:
    return ModelPool(engine, tmp_path, runtime="torch")


def promote(engine: Engine, folder: Path, version: int, *, members: int = 1) -> int:
    """A new active model in the store and in its folder."""
    model = model_of(
        "squeezenet1_1", folder / f"test-{version}", members=members, pictures=PICTURES
    )
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET stage = 'retired' WHERE stage = 'active'"))
        return insert(connection, model, version)


def insert(connection: Connection, model: Model, version: int) -> int:
    new = text("""
        INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
        VALUES ('test', :version, 'test-' || :version, :sha256, '{}', '{}', 'active') RETURNING id
    """)
    return int(connection.execute(new, {"version": version, "sha256": model.sha256}).scalar_one())


def test_a_running_job_keeps_its_model_when_another_is_promoted(
    engine: Engine, pool: ModelPool, tmp_path: Path
) -> None:
    first = promote(engine, tmp_path, 1)
    with pool.use(first) as old:
        second = promote(engine, tmp_path, 2, members=2)
        with pool.use(second) as new, pool.use(first) as still_old:
            assert still_old is old
            assert len(new.model.description.members) == 2
            expected = old.model.probabilities(PICTURES[:1])[0]
            assert old.batcher.submit(PICTURES[0]).result() == pytest.approx(expected, abs=1e-4)
    pool.close()


def test_the_active_model_is_loaded_before_a_chunk_needs_it(
    engine: Engine, pool: ModelPool, tmp_path: Path
) -> None:
    pool.load_active()
    assert not pool.has_model
    promote(engine, tmp_path, 1)
    pool.load_active()
    assert pool.has_model
    pool.close()


def test_the_longest_unused_model_is_dropped(
    engine: Engine, pool: ModelPool, tmp_path: Path
) -> None:
    before = threading.active_count()
    numbers = range(1, MAX_LOADED + 2)
    models = [promote(engine, tmp_path, number, members=number) for number in numbers]
    loaded = []
    for model_id in models:
        with pool.use(model_id) as each:
            loaded.append(each)
    with pool.use(models[-1]) as last, pool.use(models[0]) as again:
        assert last is loaded[-1]
        assert again is not loaded[0]
    pool.close()
    assert threading.active_count() == before


def test_a_model_that_does_not_say_what_it_said_is_refused(
    engine: Engine, pool: ModelPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = promote(engine, tmp_path, 1)

    def load_with_other_expectation(folder: Path, expected_sha256: str) -> Model:
        model = load_bundle(folder, expected_sha256)
        model.self_test_expected[:] += 0.01
        return model

    monkeypatch.setattr("worker.enrich.models.load_bundle", load_with_other_expectation)
    with pytest.raises(ModelError, match="fails its self-test"), pool.use(model_id):
        pass
    assert not pool.has_model
    pool.close()


def test_the_settings_know_all_runtimes() -> None:
    known = WorkerSettings.model_fields["worker_runtime"].annotation
    assert set(get_args(known)) == {"auto", *get_args(RuntimeName)}
