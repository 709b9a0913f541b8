"""The models of the store, found by their names."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from common.errors import ModelError, UsageError
from common.store.session import open_store
from tests.trainer.bundles import promoted
from trainer.models.registry import activate, describe, find_model, list_models, open_stored


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """On a store with two versions of a model."""
    engine = open_store()
    for seed in (1, 2):
        promoted(engine, tmp_path, seed=seed)
    yield engine
    engine.dispose()


def test_a_name_means_its_latest_version(engine: Engine) -> None:
    assert find_model(engine, "small").version == 2
    assert find_model(engine, "small@1").version == find_model(engine, "small v1").version == 1


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("large", "There is no model large; there are: small"),
        ("small@3", "Model small has no version 3, but: 1, 2"),
        ("../small", "expected NAME or NAME@VERSION"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    engine: Engine, reference: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        find_model(engine, reference)


def test_a_model_without_its_bundle_is_listed_and_never_activated(
    engine: Engine, tmp_path: Path
) -> None:
    first, second = list_models(engine, tmp_path)
    assert (first.architecture, first.problem) == ("squeezenet1_1", "")
    (tmp_path / second.stored.path / "model.json").unlink()
    assert "cannot be read" in describe(second.stored, tmp_path).problem
    with pytest.raises(ModelError):
        activate(engine, tmp_path, "small@2")
    assert open_stored(engine, tmp_path, "small@1").title == "small v1"
