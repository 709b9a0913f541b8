"""The settings of a worker process, from its environment."""

import pytest

from common.errors import UsageError
from common.process.settings import StoreSettings, read_together
from common.process.settings.worker import WorkerSettings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")


def test_one_object_has_all_that_a_process_reads() -> None:
    settings = WorkerSettings.read()
    assert settings.europeana_api_key.get_secret_value() == "hunter2"
    assert str(settings.model_dir) == "models"
    assert settings.worker_chunks_in_flight >= 2


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EUROPEANA_API_KEY")
    with pytest.raises(
        UsageError, match=r"(?s)2 settings are .*DATABASE_URL is.*EUROPEANA_API_KEY is"
    ):
        read_together(StoreSettings, WorkerSettings)


def test_retry_delays_are_seconds_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WorkerSettings.read().retry_delays == (60.0, 600.0, 3600.0, 21600.0, 57600.0)
    monkeypatch.setenv("WORKER_RETRY_DELAYS", "1, 20")
    assert WorkerSettings.read().retry_delays == (1.0, 20.0)


@pytest.mark.parametrize("text", ["soon", "1,,2", "-1", "1.5", "²", "2592001", "9" * 5000])
def test_other_retry_delays_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WORKER_RETRY_DELAYS", text)
    with pytest.raises(UsageError, match="WORKER_RETRY_DELAYS"):
        WorkerSettings.read()


def test_a_card_is_refused_where_the_runtime_computes_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKER_DEVICE", "cuda")
    for runtime in ("auto", "torch"):
        monkeypatch.setenv("WORKER_RUNTIME", runtime)
        assert WorkerSettings.read().worker_device == "cuda"
    monkeypatch.setenv("WORKER_RUNTIME", "onnx")
    with pytest.raises(UsageError, match="WORKER_DEVICE.*WORKER_RUNTIME=onnx computes on the CPU"):
        WorkerSettings.read()


def test_only_pytorch_takes_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WorkerSettings.read().computes_on == "auto"
    monkeypatch.setenv("WORKER_RUNTIME", "onnx")
    assert WorkerSettings.read().computes_on == "cpu"


def test_metrics_are_for_this_machine_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert str(WorkerSettings.read().worker_metrics_address) == "127.0.0.1"
    monkeypatch.setenv("WORKER_METRICS_ADDRESS", "everywhere")
    with pytest.raises(UsageError, match="WORKER_METRICS_ADDRESS"):
        WorkerSettings.read()


def test_connections_to_postgres_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_CHUNKS_IN_FLIGHT", "3")
    assert WorkerSettings.read().store_connections == 16


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WORKER_LEASE_SECONDS", "inf"),
        ("WORKER_GRACE_SECONDS", "1e300"),
        ("WORKER_ASK_SECONDS", "nan"),
        ("WORKER_SWEEP_SECONDS", "86401"),
        ("WORKER_LEASE_SECONDS", "0.001"),
        ("WORKER_GRACE_SECONDS", "0.5"),
        ("WORKER_ASK_SECONDS", "0.01"),
        ("WORKER_SWEEP_SECONDS", "1e-300"),
        ("FETCH_REQUESTS_PER_SECOND", "1e-300"),
        ("FETCH_REQUESTS_AT_A_TIME", "9" * 30),
        ("FETCH_PER_ADDRESS_FACTOR", "1001"),
        ("FETCH_THUMBNAILS_PER_SECOND", "inf"),
        ("WORKER_CHUNKS_IN_FLIGHT", "1001"),
        ("WORKER_CONNECTIONS", "9" * 30),
        ("WORKER_BATCH_SIZE", "65537"),
    ],
)
def test_absurd_numbers_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=variable):
        WorkerSettings.read()


def test_a_number_that_is_too_small_is_told_with_the_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKER_LEASE_SECONDS", "0.001")
    with pytest.raises(UsageError, match=r"WORKER_LEASE_SECONDS .*: it must be 2 or more\."):
        WorkerSettings.read()
