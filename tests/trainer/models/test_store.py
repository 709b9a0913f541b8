"""Models in the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from common.store.session import open_store
from tests.trainer.bundles import promoted
from trainer.models.store import activate_model, retire_model, stored_models


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """On an empty store."""
    engine = open_store()
    yield engine
    engine.dispose()


def _standings(engine: Engine) -> dict[str, str]:
    return {model.title: model.standing for model in stored_models(engine)}


def test_one_model_at_a_time_is_active(engine: Engine, tmp_path: Path) -> None:
    promoted(engine, tmp_path, seed=1)
    promoted(engine, tmp_path, seed=2)
    promoted(engine, tmp_path, name="other", seed=3, active=False)
    assert _standings(engine) == {
        "other v1": "not serving",
        "small v1": "not serving",
        "small v2": "serving",
    }
    activate_model(engine, stored_models(engine, "other")[0].id)
    assert [each.title for each in stored_models(engine) if each.serves_all] == ["other v1"]
    assert _standings(engine) == {
        "other v1": "serving",
        "small v1": "not serving",
        "small v2": "not serving",
    }


def test_retiring_tells_whether_another_model_is_active(engine: Engine, tmp_path: Path) -> None:
    promoted(engine, tmp_path, seed=1)
    promoted(engine, tmp_path, seed=2)
    first, second = stored_models(engine, "small")
    assert retire_model(engine, first.id).is_another_active
    assert not retire_model(engine, second.id).is_another_active
    assert set(_standings(engine).values()) == {"retired"}


def test_a_candidate_that_is_added_again_stays_what_it_is(engine: Engine, tmp_path: Path) -> None:
    assert promoted(engine, tmp_path).is_new
    assert not promoted(engine, tmp_path, name="again", active=False).is_new
    assert _standings(engine) == {"small v1": "serving"}
