"""int8: quantised by the pictures of the bundle, and refused where it decides otherwise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs

from common.errors import ModelError
from common.vision.answers.likeness import Likeness, halved_if_any
from common.vision.model import Model
from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.runtimes import RuntimeChoice, choose_runtime
from common.vision.runtimes.choice import INT8, open_runtime
from common.vision.saved_model import load_bundle, save_bundle
from common.vision.served import Normalisation
from tests.common.vision.models import DESCRIPTION, SIZE, model_of

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
quantisation = pytest.importorskip(
    "common.vision.runtimes.int8", reason="the extra onnx is not installed"
)


def shades(count: int, *, seed: int) -> torch.Tensor:
    """Pictures of noise, dark and bright in turn."""
    drawn = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 96, (count, 3, SIZE, SIZE), generator=drawn)
    return (noise + 128 * (torch.arange(count) % 2).view(-1, 1, 1, 1)).byte()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A classifier of drawn weights whose head tells dark from bright pictures."""
    torch.manual_seed(0)
    classifier = build_classifier("squeezenet1_1", classes=2, size=SIZE).eval()
    pictures = Normalisation(Preprocessing(size=SIZE))(shades(40, seed=1))
    with torch.no_grad():
        features = classifier.features(pictures).mean((2, 3))  # type: ignore[operator]
        dark, bright = features[0::2].mean(0), features[1::2].mean(0)
        head = classifier.classifier[1]  # type: ignore[index]
        way = (bright - dark) / (bright - dark).square().sum()
        head.weight.copy_(torch.stack([-way, way]).view(2, -1, 1, 1))
        head.bias.copy_(torch.stack([(bright + dark) @ way / 2, -(bright + dark) @ way / 2]))
    folder = tmp_path_factory.mktemp("models") / "m"
    sha256 = save_bundle(
        folder,
        DESCRIPTION,
        [classifier.state_dict()],
        self_test=shades(100, seed=2),
        calibration=shades(20, seed=3),
    )
    return load_bundle(folder, sha256)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that the model is exported and quantised once."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", INT8)
def test_int8_decides_what_the_model_decides_and_says_that_it_is_int8(
    model: Model, cache_dir: Path, name: RuntimeChoice
) -> None:
    pytest.importorskip(name.removesuffix("-int8").replace("onnx", "onnxruntime"))
    with capture_logs() as logs:
        runtime = choose_runtime(model, name, cache_dir=cache_dir)
    assert runtime.name == f"{name}-cpu"
    assert "in int8" in logs[-1]["event"]
    assert (logs[-1]["pictures"], logs[-1]["other_most_probable_concept"]) == (100, 0)
    unknown = shades(50, seed=4)
    found, expected = runtime.rows(unknown), model.probabilities(unknown)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert 0 < np.abs(found - expected).max() < 0.1
    choose_runtime(model, name, cache_dir=cache_dir)
    (int8,) = cache_dir.glob(f"{model.sha256}-*-int*")  # one for both runtimes
    assert (int8 / "model.onnx").exists()


def test_the_first_layers_of_each_member_stay_in_float32(cache_dir: Path, tmp_path: Path) -> None:
    ensemble = model_of("squeezenet1_1", tmp_path / "m", members=2)
    ensemble = replace(ensemble, served=replace(ensemble.served, calibration=shades(20, seed=3)))
    nodes = onnx.load(quantisation.quantised(ensemble.served, cache_dir)).graph.node
    weights = [node.input[1] for node in nodes if node.op_type == "Conv"]
    in_float = [name for name in weights if name.endswith(".weight")]
    assert len(weights) == 2 * 26
    layers = ["0", "3.squeeze", "3.expand1x1", "3.expand3x3", "4.squeeze", "4.expand1x1"]
    layers += ["4.expand3x3"]  # beside the one before: both are fifth
    assert sorted(in_float) == sorted(
        f"members.{member}.features.{layer}.weight" for member in (0, 1) for layer in layers
    )


def test_int8_that_decides_otherwise_is_refused(model: Model, cache_dir: Path) -> None:
    opposite = replace(model, self_test_expected=1 - model.self_test_expected)
    with pytest.raises(ModelError, match="concept in 0 of 100 pictures, where 99% are required"):
        choose_runtime(opposite, "onnx-int8", cache_dir=cache_dir)


def test_a_bundle_without_pictures_to_calibrate_by_is_refused(
    model: Model, cache_dir: Path
) -> None:
    older = replace(model, served=replace(model.served, calibration=model.served.calibration[:0]))
    with pytest.raises(ModelError, match="no pictures to calibrate int8.*Promote it again"):
        choose_runtime(older, "onnx-int8", cache_dir=cache_dir)


def test_weights_keep_to_seven_bits_where_products_overflow(
    model: Model, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reach(graph: Path) -> int:
        tensors = onnx.load(graph).graph.initializer
        weights = [onnx.numpy_helper.to_array(t) for t in tensors if len(t.dims) == 4]
        return max(int(np.abs(w.astype(int)).max()) for w in weights if w.dtype == np.int8)

    for overflow, most in ((False, 127), (True, 64)):
        monkeypatch.setattr(quantisation, "_products_overflow", lambda yes=overflow: yes)
        assert most - 1 <= reach(quantisation.quantised(model.served, cache_dir)) <= most


def test_features_have_steps_of_their_own(cache_dir: Path, tmp_path: Path) -> None:
    states = [each.state_dict() for each in model_of("resnet18", tmp_path / "r").classifiers()]
    drawn = np.random.default_rng(0).normal(1, 0.3, size=(8, 512)).astype(np.float32)
    likeness = Likeness.of(halved_if_any(drawn), least=0.5)
    pictures = {"self_test": shades(8, seed=2), "calibration": shades(20, seed=3)}
    description = replace(DESCRIPTION, architecture="resnet18")
    sha256 = save_bundle(tmp_path / "m", description, states, likeness=likeness, **pictures)
    model = load_bundle(tmp_path / "m", sha256)
    runtime = open_runtime("onnx-int8", model.served, cache_dir, torch.device("cpu"))
    unknown = shades(20, seed=4)
    found, expected = runtime.rows(unknown), model.served.rows(unknown)
    assert found.shape == expected.shape == (20, 2 + 512)
    assert np.abs(found[:, :2] - expected[:, :2]).max() < 0.1
    cosines = (found[:, 2:] * expected[:, 2:]).sum(axis=1)
    assert cosines.min() > 0.99
