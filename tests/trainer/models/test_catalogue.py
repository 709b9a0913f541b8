"""The models of the store, found by their names, and described by their files."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from common.errors import UsageError
from common.store.session import open_store
from common.vision.bundle import Description
from tests.trainer.bundles import describe as described
from tests.trainer.bundles import promoted
from tests.trainer.encoders import add_tiny
from trainer.models.catalogue import check_files, describe, find_model, retire
from trainer.models.store import StoredModel, activate_model, stored_models


@pytest.fixture
def engine(database_url: str, tmp_path: Path) -> Iterator[Engine]:
    """On a store with two versions of a model."""
    engine = open_store()
    for seed in (1, 2):
        promoted(engine, tmp_path, seed=seed)
    yield engine
    engine.dispose()


def test_a_name_means_the_version_in_service(engine: Engine) -> None:
    in_service, _ = stored_models(engine, "small")
    activate_model(engine, in_service.id)
    assert find_model(engine, "small").version == 1
    assert find_model(engine, "small@1").version == find_model(engine, "small v1").version == 1


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("large", "There is no model large; there are: small"),
        ("small@3", "Model small has no version 3. It has: 1, 2"),
        ("../small", "Write NAME or NAME@VERSION"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(
    engine: Engine, reference: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        find_model(engine, reference)


def test_a_name_is_refused_where_no_version_serves(engine: Engine) -> None:
    retire(engine, "small")
    with pytest.raises(UsageError, match="none of them is in service.*: small@1, small@2"):
        find_model(engine, "small")


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({"experiment": "run"}, "trainer promote run --name new"),
        ({"checkpoint": "c.pth"}, "trainer models import c.pth --name new ..."),
    ],
)
def test_what_made_a_model_brings_its_files_back(
    engine: Engine, tmp_path: Path, origin: dict[str, str], command: str
) -> None:
    says: Description = replace(described(), created_from=origin)
    promoted(engine, tmp_path, name="new", seed=3, description=says)
    (stored,) = stored_models(engine, "new")
    assert describe(stored, tmp_path).problem is None
    (tmp_path / "new-1" / "member_0.safetensors").unlink()
    found = describe(stored, tmp_path)
    assert found.missing_files == ("new-1/member_0.safetensors",)
    assert found.problem is not None
    assert found.problem.endswith(command)


def test_all_files_are_read_to_check_them(engine: Engine, tmp_path: Path) -> None:
    stored: StoredModel = stored_models(engine)[0]
    listed = describe(stored, tmp_path)
    assert check_files(listed, tmp_path) is None
    file = tmp_path / "small-1" / "self_test.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert "is not the file that was saved" in str(check_files(listed, tmp_path))
    shutil.rmtree(tmp_path / "small-1")
    assert check_files(describe(stored, tmp_path), tmp_path) is not None


def test_the_weights_of_its_encoder_are_read_as_well(engine: Engine, tmp_path: Path) -> None:
    identity = add_tiny(engine, tmp_path).sha256
    listed = describe(stored_models(engine)[0], tmp_path)
    assert listed.description is not None
    heads = replace(listed, description=replace(listed.description, encoder=identity))
    assert check_files(heads, tmp_path) is None
    (weights,) = (tmp_path / "encoders" / identity).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert "trainer encoders add" in str(check_files(heads, tmp_path))
