"""The exported runtime says what the model says; `auto` takes the faster that does."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from common.errors import DeviceError, EnrichmentError, ModelError, UsageError
from common.vision.model import Model
from common.vision.runtimes import TorchRuntime, choice, choose_runtime
from tests.common.vision.models import SIZE, model_of


def require_onnx() -> None:
    for package in choice.ONNX_PACKAGES:
        pytest.importorskip(package, reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that the model is exported once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """An ensemble of two."""
    pictures = random_pictures(5, seed=1)
    return model_of(
        "resnet18", tmp_path_factory.mktemp("models") / "m", members=2, pictures=pictures
    )


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a card, also on one that has it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def random_pictures(count: int, *, seed: int = 0) -> torch.Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=drawn).byte()


@pytest.mark.parametrize("count", [1, 7])
def test_an_exported_runtime_agrees_with_the_model(
    model: Model, cache_dir: Path, count: int
) -> None:
    require_onnx()
    runtime = choose_runtime(model, "onnx", cache_dir=cache_dir)
    assert runtime.name == "onnx-cpu"
    pictures = random_pictures(count)
    found = runtime.rows(pictures)
    assert found.dtype == np.float32
    assert found.std() > 1e-3 or count == 1
    np.testing.assert_allclose(found, model.probabilities(pictures), atol=1e-4)


@pytest.mark.usefixtures("on_the_cpu")
def test_auto_measures_what_is_installed_and_says_what_it_chose(
    model: Model, cache_dir: Path
) -> None:
    require_onnx()
    with capture_logs() as logs:
        runtime = choose_runtime(model, "auto", cache_dir=cache_dir)
    rates = logs[-1]["pictures_a_second_and_core"]
    assert rates.keys() == {"torch-cpu", "onnx-cpu"}
    assert runtime.name == logs[-1]["runtime"] == max(rates, key=rates.get)


@pytest.mark.usefixtures("on_the_cpu")
def test_a_runtime_that_differs_is_refused(model: Model, cache_dir: Path, tmp_path: Path) -> None:
    require_onnx()
    choose_runtime(model, "onnx", cache_dir=cache_dir)
    (export,) = cache_dir.iterdir()
    other = model_of("squeezenet1_1", tmp_path / "other")
    unlike = "another network than was exported"
    other = replace(other, served=replace(other.served, sha256=unlike))
    export_of_other = tmp_path / "cache" / export.name.replace(model.served.sha256, unlike)
    export_of_other.parent.mkdir()
    export_of_other.symlink_to(export)
    with pytest.raises(ModelError, match="onnx-cpu does not agree with the model"):
        choose_runtime(other, "onnx", cache_dir=tmp_path / "cache")
    with capture_logs() as logs:
        assert choose_runtime(other, "auto", cache_dir=tmp_path / "cache").name == "torch-cpu"
    assert logs[0]["event"] == "runtime refused"
    assert "does not agree" in logs[0]["reason"]


@pytest.mark.usefixtures("on_the_cpu")
def test_a_runtime_that_cannot_be_opened_is_an_error_in_words(
    model: Model, cache_dir: Path, tmp_path: Path
) -> None:
    require_onnx()
    choose_runtime(model, "onnx", cache_dir=cache_dir)
    (export,) = cache_dir.iterdir()
    damaged = tmp_path / export.name / "model.onnx"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no protobuf")
    with pytest.raises(ModelError, match="The runtime onnx failed: "):
        choose_runtime(model, "onnx", cache_dir=tmp_path)
    with capture_logs() as logs:
        assert choose_runtime(model, "auto", cache_dir=tmp_path).name == "torch-cpu"
    assert "The runtime onnx failed" in logs[0]["reason"]


def test_a_device_that_fails_at_once_is_told_from_a_model_that_is_no_good(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available")

    monkeypatch.setattr(TorchRuntime, "_compute", fail)
    with pytest.raises(DeviceError, match="torch-.* failed: RuntimeError: CUDA error: no kernel"):
        choose_runtime(model, "torch", cache_dir=tmp_path)


def test_a_model_is_exported_once(
    model: Model, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_onnx()
    choose_runtime(model, "onnx", cache_dir=cache_dir)

    def export_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(torch.onnx, "export", export_again)
    choose_runtime(model, "onnx", cache_dir=cache_dir)
    assert [each.name.startswith(model.sha256) for each in cache_dir.iterdir()] == [True]


def test_an_extra_that_is_missing_is_named(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "ONNX_PACKAGES", ("a_package_that_is_not_there",))
    with pytest.raises(UsageError, match=r"pip install '\.\[worker,onnx\]'"):
        choose_runtime(model, "onnx", cache_dir=tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error_in_words(model: Model, tmp_path: Path) -> None:
    require_onnx()
    (tmp_path / "file").touch()
    with pytest.raises(EnrichmentError, match="file/cache cannot be written"):
        choose_runtime(model, "onnx", cache_dir=tmp_path / "file" / "cache")


def test_no_extra_is_loaded_before_a_runtime_needs_it() -> None:
    code = (
        "import sys, common.vision.runtimes.choice;print({*sys.modules} & {'onnx', 'onnxruntime'})"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
