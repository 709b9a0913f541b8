"""`trainer models import`: the checkpoints of the pilot, and what only looks like one."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from sqlalchemy import Engine
from torch import nn
from typer.testing import CliRunner, Result

from common.vision.network import build_classifier
from common.vision.preprocessing import Preprocessing
from common.vision.saved_model import load_bundle
from common.vision.served import Normalisation
from tests.trainer.pictures import draw, draw_folder, write_vocabulary
from trainer.cli import app
from trainer.models.store import stored_models


class _PilotsNetwork(nn.Module):
    """As the pilot saved them: the network is `net`, a softmax without weights behind it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = build_classifier("resnet18", classes=classes)
        self.sm = nn.Softmax(dim=1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.sm(self.net(batch))


@pytest.fixture
def network(tmp_path: Path) -> _PilotsNetwork:
    """It tells toys from maps; saved in tmp_path with its class index."""
    torch.manual_seed(0)
    network = _PilotsNetwork(2).eval()
    _teach(network.net)
    torch.save(network.state_dict(), tmp_path / "checkpoint.pth")
    (tmp_path / "class_index.json").write_text(json.dumps({"0": "toy", "1": "map"}))
    write_vocabulary(tmp_path / "vocabulary.json")
    return network


def _teach(network: nn.Module) -> None:
    """Its last layer alone, on other pictures than those of the tests."""
    prepare = Preprocessing(size=32)
    drawn = [draw(label, seed) for label in ("toy", "map") for seed in range(100, 160)]
    pictures = Normalisation(prepare)(torch.stack([prepare.to_uint8(image) for image in drawn]))
    body = nn.Sequential(*list(network.children())[:-1], nn.Flatten())
    with torch.no_grad():
        wanted = torch.eye(2).repeat_interleave(60, dim=0) * 4 - 2
        solution = torch.linalg.lstsq(body(pictures), wanted, driver="gelsd").solution
        network.get_parameter("fc.weight").copy_(solution.T)
        network.get_parameter("fc.bias").zero_()


def run(tmp_path: Path, *more: str) -> Result:
    arguments = [
        *("models", "import", str(tmp_path / "checkpoint.pth"), "--name", "pilot"),
        *("--architecture", "resnet18", "--input-size", "32"),
        *("--vocab-json", str(tmp_path / "vocabulary.json"), *more),
    ]
    return CliRunner().invoke(app, arguments)


def test_without_labelled_pictures_nothing_is_promised(
    engine: Engine, network: _PilotsNetwork, tmp_path: Path
) -> None:
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "Every concept is off" in result.stderr
    (stored,) = stored_models(engine)
    assert (stored.title, stored.standing, stored.thresholds) == ("pilot v1", "not serving", {})
    model = load_bundle(tmp_path / "models" / stored.path, stored.sha256)
    assert model.description.labels == ("toy", "map")
    batch = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        expected = network(Normalisation(model.description.preprocessing)(batch))
    torch.testing.assert_close(torch.from_numpy(model.probabilities(batch)), expected)


def test_thresholds_are_chosen_on_labelled_pictures(
    engine: Engine, network: _PilotsNetwork, tmp_path: Path
) -> None:
    data = draw_folder(tmp_path / "data", 20)
    result = run(tmp_path, "--data-dir", str(data), "--precision", "0.5")
    assert result.exit_code == 0, result.output
    (stored,) = stored_models(engine)
    model = load_bundle(tmp_path / "models" / stored.path, stored.sha256)
    assert stored.thresholds
    assert model.description.created_from["pictures"] == 40
    assert model.description.temperature != 1
    assert len(model.self_test_pictures) == 40
    model.self_test(model.probabilities)
    activated = CliRunner().invoke(app, ["models", "activate", "pilot"])
    assert activated.exit_code == 0, activated.output


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


def test_a_pickle_bomb_is_refused_and_not_executed(
    engine: Engine, network: _PilotsNetwork, tmp_path: Path
) -> None:
    bomb = pickle.dumps(_Bomb(tmp_path / "executed"))
    (tmp_path / "checkpoint.pth").write_bytes(bomb)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "not a plain state dict" in result.stderr
    assert not (tmp_path / "executed").exists()
    assert stored_models(engine) == []


MAP_AND_TOY = {"0": "toy", "1": "map"}
MISFITS: list[tuple[object, list[str], int, str]] = [
    ({"0": "toy", "1": "map", "2": "textile"}, [], 1, "does not fit resnet18 with the 3"),
    ({"0": "toy", "2": "map"}, [], 2, "not a class index"),
    (["toy", "map"], [], 2, "not a class index"),
    ({"0": "toy", "1": "toy"}, [], 2, "no label twice"),
    ({"0": "toy", "1": "ship"}, [], 2, "no concept for ship"),
    (MAP_AND_TOY, ["--architecture", "resnet34"], 1, "another architecture"),
    (MAP_AND_TOY, ["--class-index", "/nowhere.json"], 2, "/nowhere.json"),
    (MAP_AND_TOY, ["--name", "../x"], 2, "cannot be the name of a model"),
]


def test_what_does_not_fit_is_a_message(
    engine: Engine, network: _PilotsNetwork, tmp_path: Path
) -> None:
    for index, more, exit_code, message in MISFITS:
        (tmp_path / "class_index.json").write_text(json.dumps(index))
        result = run(tmp_path, *more)
        assert result.exit_code == exit_code, result.output
        assert message in result.stderr
    assert stored_models(engine) == []
