"""Which models are loaded: a running job keeps its own while new jobs use the new one."""

import threading
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from sqlalchemy import Connection, Engine, text

from common.errors import ModelError
from common.process.settings.worker import WorkerSettings
from common.vision.encoders.description import ENCODERS
from common.vision.model import Model
from common.vision.runtimes import Runtime
from common.vision.runtimes.choice import RuntimeName, choose_runtime
from common.vision.saved_model import load_bundle
from tests.common.vision.models import SIZE, model_of
from tests.worker.conftest import CONCEPTS
from tests.worker.on_encoder import add_encoder
from tests.worker.on_encoder import promote as promote_on
from worker.enrich.model_pool import MAX_LOADED, ModelPool, ModelsInUse

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


def network_model(used: ModelsInUse) -> Model:
    return used.network().model(used.models[0])


def test_a_running_job_keeps_its_model_when_another_is_promoted(
    engine: Engine, pool: ModelPool, tmp_path: Path
) -> None:
    first = promote(engine, tmp_path, 1)
    with pool.use(first) as old:
        network = old.network()
        second = promote(engine, tmp_path, 2, members=2)
        with pool.use(second) as new, pool.use(first) as still_old:
            assert still_old.network() is network
            assert len(network_model(new).description.members) == 2
            expected = network_model(old).probabilities(PICTURES[:1])[0]
            assert network.batcher.submit(PICTURES[0]).result() == pytest.approx(expected, abs=1e-4)
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


def test_the_longest_unused_network_is_dropped(
    engine: Engine, pool: ModelPool, tmp_path: Path
) -> None:
    before = threading.active_count()
    numbers = range(1, MAX_LOADED + 2)
    models = [promote(engine, tmp_path, number, members=number) for number in numbers]
    loaded = []
    for model_id in models:
        with pool.use(model_id) as each:
            loaded.append(each.network())
    with pool.use(models[-1]) as last, pool.use(models[0]) as again:
        assert last.network() is loaded[-1]
        assert again.network() is not loaded[0]
    pool.close()
    assert threading.active_count() == before


def test_a_pool_may_keep_fewer_networks(engine: Engine, tmp_path: Path) -> None:
    pool = ModelPool(engine, tmp_path, runtime="torch", most_networks=1)
    first, second = (promote(engine, tmp_path, number, members=number) for number in (1, 2))
    with pool.use(first) as used:
        network = used.network()
    with pool.use(second) as used:
        used.network()
    with pool.use(first) as used:
        assert used.network() is not network
    pool.close()


def test_a_model_that_does_not_say_what_it_said_is_refused(
    engine: Engine, pool: ModelPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_id = promote(engine, tmp_path, 1)

    def load_with_other_expectation(folder: Path, expected_sha256: str) -> Model:
        model = load_bundle(folder, expected_sha256)
        model.self_test_expected[:] += 0.01
        return model

    monkeypatch.setattr("worker.enrich.model_pool.load_bundle", load_with_other_expectation)
    with pool.use(model_id) as used, pytest.raises(ModelError, match="fails its self-test"):
        used.network()
    pool.close()


def test_a_model_on_an_encoder_is_loaded_without_it_until_a_picture_is_looked_at(
    engine: Engine, pool: ModelPool, tmp_path: Path, model_id: int
) -> None:
    encoder = add_encoder(engine, tmp_path)
    thresholds: dict[str, float | None] = dict.fromkeys(CONCEPTS, 0.5)
    first, second = (
        promote_on(engine, tmp_path, encoder, name=name, thresholds=thresholds, examples=PICTURES)
        for name in ("one", "two")
    )
    weights = tmp_path / ENCODERS / encoder.identity / encoder.weights.file
    content = weights.read_bytes()
    weights.unlink()
    begun: list[str] = []
    with pool.use(first, second, before_loading=lambda: begun.append("loading")) as used:
        assert begun == []
        assert [each.id for each in used.models] == [first, second]
        with pytest.raises(ModelError, match="cannot be read"):
            used.network()
        weights.write_bytes(content)
        network = used.network()
        assert begun == ["loading"] * 2
    with pool.use(second) as again:
        assert again.network() is network
    pool.close()


def test_a_model_is_refused_if_the_store_says_that_it_is_on_another_encoder(
    engine: Engine, pool: ModelPool, tmp_path: Path, model_id: int
) -> None:
    encoder, other = (add_encoder(engine, tmp_path, name=name) for name in ("drawn", "other"))
    thresholds: dict[str, float | None] = dict.fromkeys(CONCEPTS, 0.5)
    first = promote_on(engine, tmp_path, encoder, name="one", thresholds=thresholds)
    second = promote_on(engine, tmp_path, other, name="two", thresholds=thresholds)
    with pytest.raises(ModelError, match="use different encoders"), pool.use(first, second):
        pass
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET encoder_id = 2 WHERE name = 'one'"))
    said = f"uses the encoder {encoder.identity[:12]}.... In the store, it uses"
    with pytest.raises(ModelError, match=said), ModelPool(engine, tmp_path).use(first):
        pass
    pool.close()


def test_the_settings_know_all_runtimes() -> None:
    known = WorkerSettings.model_fields["worker_runtime"].annotation
    assert set(get_args(known)) == {"auto", *get_args(RuntimeName)}


def test_a_pool_remembers_classifiers_that_a_card_computes_in_float32(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_card(*given: Any, **named: Any) -> Runtime:
        assert named["device"] == torch.device("cpu")
        runtime = choose_runtime(*given, **named)
        runtime.device = torch.device("cuda")  # says so, and computes on the CPU
        return runtime

    monkeypatch.setattr("worker.enrich.model_pool.choose_runtime", on_card)
    pool = ModelPool(engine, tmp_path, runtime="torch", device=torch.device("cpu"))
    with pool.use(promote(engine, tmp_path, 1)) as used:
        assert pool.in_float32 == set()
        used.network()
    assert pool.in_float32 == {"test v1"}
    pool.close()


def test_heatmaps_on_a_card_are_of_a_float32_copy_beside_its_heads(
    engine: Engine, pool: ModelPool, tmp_path: Path, model_id: int
) -> None:
    encoder = add_encoder(engine, tmp_path)
    thresholds: dict[str, float | None] = dict.fromkeys(CONCEPTS, 0.5)
    number = promote_on(engine, tmp_path, encoder, name="one", thresholds=thresholds)
    with pool.use(number) as used:
        network, loaded = used.network(), used.models[0]
        here = network.model(loaded)
        network._runtime.device = torch.device("meta")  # stands in for a card
        there = network.explained(loaded)
        tensors = [each for one in there.classifiers() for each in one.parameters()]
        assert {(each.device.type, each.dtype) for each in tensors} == {("meta", torch.float32)}
        assert network.explained(loaded).served.network is there.served.network
        tensors = list(here.served.network.parameters())
        assert {each.device.type for each in tensors} == {"cpu"}
    pool.close()
