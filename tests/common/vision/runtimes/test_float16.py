"""float16 by weights that are cast once serves where it decides as float32 does, else float32."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from common.errors import ModelError
from common.vision.answers.likeness import Likeness
from common.vision.model import Model, Predictor
from common.vision.network import architectures, build_classifier
from common.vision.runtimes import TorchRuntime
from common.vision.runtimes.agreement import check_float16
from common.vision.runtimes.choice import float16_pays, in_float16_if_alike
from common.vision.runtimes.onnx_export import fused
from common.vision.runtimes.torch_runtime import in_float16
from common.vision.saved_model import load_bundle, save_bundle
from common.vision.served import Served
from tests.common.vision.models import DESCRIPTION, MAP, PAINTING, SIZE, model_of
from tests.trainer.pictures import draw

CPU = torch.device("cpu")
LARGE = 224  # pixels a side, which every architecture takes
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


class _Saying:
    """A runtime that says the same of every picture."""

    name, batch_size = "saying", 64

    def __init__(self, probabilities: tuple[float, float], features: np.ndarray) -> None:
        row = [*probabilities, *(features / np.linalg.norm(features))]
        self._row = np.array(row, np.float32)

    def rows(self, batch: torch.Tensor) -> np.ndarray:
        return np.tile(self._row, (len(batch), 1))


def features(near: float = 0.1, aside: float = 0.0) -> np.ndarray:
    """Those of a picture that is so near to what was learned."""
    return np.array([near, near, near, 1.0, aside, *[0.0] * 507])


@pytest.mark.parametrize(
    ("before", "after", "agrees"),
    [
        (((0.9, 0.1), features()), ((0.885, 0.115), features(0.11)), True),
        (((0.9, 0.1), features()), ((0.87, 0.13), features()), False),
        (((0.505, 0.495), features()), ((0.495, 0.505), features()), False),
        (((0.605, 0.395), features()), ((0.595, 0.405), features()), False),
        (((0.9, 0.1), features(0.01)), ((0.9, 0.1), features(-0.01)), False),
        (((0.9, 0.1), features()), ((0.9, 0.1), features(aside=0.06)), False),
        (((0.9, 0.1), features()), ((float("nan"), 0.1), features()), False),
    ],
    ids=["alike", "tolerance", "concept", "written", "abstention", "features", "no number"],
)
def test_each_condition_is_one_of_its_own(trained: Model, before, after, agrees: bool) -> None:
    exact, halves = _Saying(*before), _Saying(*after)
    if agrees:
        check_float16(trained, halves, exact)
        return
    with pytest.raises(ModelError, match="24 of 24 pictures"):
        check_float16(trained, halves, exact)


def test_float16_is_for_classifiers_on_cards_alone(trained: Model, tmp_path: Path) -> None:
    card = torch.device("cuda:0")
    assert float16_pays(trained.served, card)
    assert not float16_pays(trained.served, CPU)
    assert not float16_pays(replace(trained.served, is_exact=True), card)


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


@contextmanager
def built_without_data() -> Iterator[None]:
    """Parameters and buffers are made on the `meta` device, and all other tensors on the CPU."""

    def parameter(_module: nn.Module, _name: str, made: nn.Parameter) -> nn.Parameter:
        return nn.Parameter(made.to("meta"), requires_grad=made.requires_grad)

    def buffer(_module: nn.Module, _name: str, made: torch.Tensor) -> torch.Tensor:
        return made.to("meta")

    hooks = (
        register_module_parameter_registration_hook(parameter),
        register_module_buffer_registration_hook(buffer),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.slow  # a second each
@pytest.mark.parametrize("architecture", architectures())
def test_nothing_of_a_classifier_stays_behind_on_the_cpu(architecture: str) -> None:
    card = torch.device("meta")  # stands in for one
    with built_without_data():
        network = build_classifier(architecture, classes=2, size=LARGE).eval()
    described = replace(DESCRIPTION, architecture=architecture)
    served = Served(title="", sha256="", size=LARGE, network=Predictor([network], described))
    network = TorchRuntime(served, card, halves=True)._network
    assert {each.device for each in (*network.parameters(), *network.buffers())} == {card}
    pictures = torch.zeros((2, 3, LARGE, LARGE), dtype=torch.uint8, device=card)
    with torch.inference_mode():
        assert network(pictures).device == card
