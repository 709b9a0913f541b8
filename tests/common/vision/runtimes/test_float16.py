"""float16 by weights that are cast once serves where it decides as float32 does, else float32."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

from common.vision.answers.likeness import Likeness
from common.vision.model import Model, Predictor
from common.vision.network import build_classifier
from common.vision.runtimes import TorchRuntime
from common.vision.runtimes.choice import in_float16_if_alike
from common.vision.runtimes.onnx_export import fused
from common.vision.runtimes.torch_runtime import in_float16
from common.vision.saved_model import load_bundle, save_bundle
from common.vision.served import Served
from tests.common.vision.models import DESCRIPTION, MAP, PAINTING, SIZE, model_of
from tests.trainer.pictures import draw

CPU = torch.device("cpu")
SURE = replace(DESCRIPTION, architecture="resnet18", thresholds={MAP: 0.6, PAINTING: 0.6})
# What need not be computed on the device; names begin so.
VIEWS = ("view", "reshape", "permute", "transpose", "t.", "expand", "slice", "select", "unsqueeze")
VIEWS += ("squeeze", "detach", "_unsafe_view", "as_strided", "split", "chunk", "unbind", "empty")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A resnet18 that has learned to tell maps from toys, and abstains."""
    labels = torch.arange(24) % 2
    drawn = [draw(("map", "toy")[label], seed) for seed, label in enumerate(labels.tolist())]
    pictures = torch.stack([SURE.preprocessing.to_uint8(picture) for picture in drawn])
    torch.manual_seed(0)
    network = build_classifier("resnet18", classes=2, size=SIZE).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(12):
        loss = nn.functional.cross_entropy(network(pictures / 255), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features = np.eye(3, 512, dtype=np.float16)
    folder = tmp_path_factory.mktemp("models") / "m"
    state = network.state_dict()
    likeness = Likeness.of(features, 0.0)
    sha256 = save_bundle(folder, SURE, [state], self_test=pictures, likeness=likeness)
    return load_bundle(folder, sha256)


def test_a_trained_network_serves_in_float16(trained: Model) -> None:
    exact = TorchRuntime(trained.served, CPU)
    runtime = in_float16_if_alike(trained, exact)
    assert runtime.name == "torch-cpu-float16"
    rows = runtime.rows(trained.self_test_pictures)
    assert rows.dtype == np.float32
    off = np.abs(rows - exact.rows(trained.self_test_pictures)).max()
    assert 0 < off < runtime.tolerance
    trained.self_test(runtime.rows, tolerance=runtime.tolerance)
    assert {each.dtype for each in trained.served.network.parameters()} == {torch.float32}


def overflowing(model: Model) -> Model:
    """The model as a network that no float16 can hold."""
    network = fused(model.served.network)
    with torch.no_grad():
        next(network.parameters()).mul_(1e7)
    return replace(model, served=replace(model.served, network=network))


def unsure(model: Model) -> Model:
    """The model with a threshold that one picture reaches in float32 by nothing at all."""
    found = TorchRuntime(model.served, CPU).rows(model.self_test_pictures)[:, 0]
    halves = TorchRuntime(model.served, CPU, halves=True).rows(model.self_test_pictures)[:, 0]
    place = int((found - halves).argmax())
    description = replace(model.description, thresholds={MAP: float(found[place]), PAINTING: None})
    return replace(model, answering=replace(model.answering, description=description))


def untested(model: Model) -> Model:
    return replace(model, self_test_pictures=model.self_test_pictures[:0])


@pytest.mark.parametrize("spoil", [overflowing, unsure, untested])
def test_where_float16_decides_otherwise_float32_serves_and_the_log_says_so(
    trained: Model, spoil
) -> None:
    model = spoil(trained)
    exact = TorchRuntime(model.served, CPU)
    expected = exact.rows(trained.self_test_pictures)
    with capture_logs() as logs:
        assert in_float16_if_alike(model, exact) is exact
    assert logs[-1]["event"] == "float16 refused, computing in float32"
    assert "self-test" in logs[-1]["reason"]
    np.testing.assert_array_equal(exact.rows(trained.self_test_pictures), expected)


def test_only_batch_norms_that_are_left_keep_float32(tmp_path: Path) -> None:
    model = model_of("densenet121", tmp_path / "m")
    members = in_float16(fused(model.served.network)).members
    kept = [each for each in members.modules() if isinstance(each, _BatchNorm)]
    assert kept
    of_norms = {id(tensor) for norm in kept for tensor in norm.parameters()}
    for tensor in members.parameters():
        assert tensor.dtype == (torch.float32 if id(tensor) in of_norms else torch.float16)
    pictures = torch.zeros((1, 3, SIZE, SIZE), dtype=torch.uint8)
    assert np.isfinite(TorchRuntime(model.served, CPU, halves=True).rows(pictures)).all()


class _Dispatches(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function).removeprefix("aten.")
        if not name.startswith(VIEWS):
            self.of[name] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("architecture", "most"), [("resnet18", 70), ("vit_b_16", 187)])
def test_a_batch_takes_few_dispatches_and_casts_no_weights(architecture: str, most: int) -> None:
    described = replace(DESCRIPTION, architecture=architecture)
    with torch.device("meta"):
        network = build_classifier(architecture, classes=2, size=SIZE).eval()
    served = Served(title="", sha256="", size=SIZE, network=Predictor([network], described))
    runtime = TorchRuntime(served, torch.device("meta"), halves=True)
    assert {each.device.type for each in runtime._network.parameters()} == {"meta"}
    (member,) = runtime._network.members
    pixels = torch.zeros((2, 3, SIZE, SIZE), dtype=torch.float16, device="meta")
    with _Dispatches() as counted, torch.inference_mode():
        member(pixels)
    assert counted.of.total() <= most
    assert not [name for name in counted.of if "to_copy" in name]
