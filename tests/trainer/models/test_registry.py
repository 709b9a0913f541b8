"""Models that are put in service and loaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from common.errors import ModelError
from common.store.session import open_store
from tests.trainer.bundles import promoted
from trainer.models.catalogue import describe, list_models
from trainer.models.registry import open_stored
from trainer.models.service import activate
from trainer.models.store import stored_models


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """On a store with two versions of a model."""
    engine = open_store()
    for seed in (1, 2):
        promoted(engine, tmp_path, seed=seed)
    yield engine
    engine.dispose()


def test_a_model_without_its_bundle_is_listed_and_never_activated(
    engine: Engine, tmp_path: Path
) -> None:
    first, second = list_models(engine, tmp_path)
    assert (first.architecture, first.problem) == ("squeezenet1_1", None)
    (tmp_path / second.path / "model.json").unlink()
    assert describe(stored_models(engine)[1], tmp_path).missing_files == ("small-2/model.json",)
    with pytest.raises(ModelError):
        activate(engine, tmp_path, "small@2")
    assert open_stored(engine, tmp_path, "small@1").title == "small v1"
