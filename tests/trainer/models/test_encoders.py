"""Adding and removing encoders, as commands."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from common.store.encoders import stored_encoders
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import load_encoder
from common.vision.encoders.networks import build_network
from tests.trainer.encoders import NETWORK, SIZE, add_tiny, folders
from trainer.cli import app
from trainer.experiment import Experiment
from trainer.models.encoders import of_library

Encoders = Callable[..., Result]


@pytest.fixture
def encoders(engine: Engine) -> Encoders:
    """The command `trainer encoders`."""
    return lambda *arguments: CliRunner().invoke(app, ["encoders", *map(str, arguments)])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    network = build_network(NETWORK, size=SIZE)
    safetensors.torch.save_file(network.state_dict(), path)
    return path


def test_a_network_with_weights_of_a_file_is_added_once(
    encoders: Encoders, weights: Path, engine: Engine, tmp_path: Path
) -> None:
    first = encoders("add", "tiny", NETWORK, "--weights", weights, "--licence", "mit")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith(f"Added: tiny: {NETWORK}, 256 numbers a picture, licence mit\n")
    again = encoders("add", "tiny", NETWORK, "--weights", weights, "--licence", "mit")
    assert again.stdout.startswith("Added before: tiny")
    with engine.connect() as connection:
        (stored,) = stored_encoders(connection)
    assert folders(tmp_path / "models") == [stored.sha256]
    assert load_encoder(tmp_path / "models" / ENCODERS, stored.sha256)


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ((), "The licence of these weights is unknown."),
        (("--licence", "cc-by-nc-4.0"), "permits no commercial use"),
        (("--licence", "our own"), "is a custom one"),
    ],
)
def test_a_licence_that_is_not_free_is_said(
    encoders: Encoders, weights: Path, licence: tuple[str, ...], said: str
) -> None:
    added = encoders("add", "tiny", NETWORK, "--weights", weights, *licence)
    shown = encoders("show", "tiny")
    assert (added.exit_code, shown.exit_code) == (0, 0)
    assert said in added.output
    assert said in shown.output


def test_the_licence_of_a_library_does_not_speak_for_a_file(weights: Path) -> None:
    assert of_library(NETWORK, weights, None).licence == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("a/b", NETWORK), 2, "'a/b' cannot be the name of an encoder"),
        (("x",), 2, "Give either a network or --experiment"),
        (("x", NETWORK, "--experiment", "run"), 2, "Give either a network or --experiment"),
        (("x", "--experiment", "run", "--weights", "w"), 2, "--weights is for a network"),
        (("x", "timm:test_efficientnett"), 2, "Did you mean test_efficientnet"),
        (("x", NETWORK, "--weights", "nowhere.safetensors"), 1, "There is no weight file"),
        (("x", "timm:test_convnext", "--weights", "WEIGHTS"), 1, "weights of another network"),
        (
            ("x", NETWORK, "--weights", "WEIGHTS", "--licence", "a\nb"),
            2,
            "--licence must be a name",
        ),
        (("x", "--experiment", "nothing"), 2, "There is no experiment"),
        (("x", NETWORK, "--weights", "ZERO"), 1, "the network gives no numbers for a picture"),
        (("x", NETWORK, "--weights", "WHOLE"), 1, "contains whole numbers"),
    ],
    ids=str,
)
def test_what_cannot_be_added_is_said_and_leaves_nothing(
    encoders: Encoders,
    weights: Path,
    engine: Engine,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    spoilt = {
        "ZERO": lambda tensor: torch.zeros_like(tensor),
        "WHOLE": lambda tensor: tensor.to(torch.int32),
    }
    files = {"WEIGHTS": str(weights)}
    for name, spoil in spoilt.items():
        files[name] = str(tmp_path / f"{name}.safetensors")
        tensors = safetensors.torch.load_file(weights)
        safetensors.torch.save_file({n: spoil(t) for n, t in tensors.items()}, files[name])
    given = [files.get(each, each) for each in arguments]
    refused = encoders("add", *given)
    assert refused.exit_code == code
    assert message in refused.output
    with engine.connect() as connection:
        assert stored_encoders(connection) == []
    assert folders(tmp_path / "models") == []


def test_a_fold_that_was_trained_here_is_an_encoder(
    encoders: Encoders, sequence: Path, engine: Engine, tmp_path: Path
) -> None:
    experiment = Experiment(sequence.parent, sequence.name)
    where = ("--saving-dir", experiment.folder.parent, "--fold", 1)
    added = encoders("add", "own", "--experiment", experiment.name, *where)
    assert added.exit_code == 0, added.output
    with engine.connect() as connection:
        (stored,) = stored_encoders(connection)
    assert stored.network == f"torchvision:{experiment.settings().architecture}"
    how = load_encoder(tmp_path / "models" / ENCODERS, stored.sha256).description.preprocessing
    assert how == experiment.settings().preprocessing
    missing = encoders("add", "other", "--experiment", experiment.name, *where[:2], "--fold", 9)
    assert (missing.exit_code, "There is no fold 9" in missing.output) == (2, True)


def test_list_and_show_say_what_an_encoder_is(
    encoders: Encoders, engine: Engine, tmp_path: Path
) -> None:
    stored = add_tiny(engine, tmp_path / "models")
    assert "tiny" in encoders("list").stdout
    (row,) = json.loads(encoders("list", "--json").stdout)
    assert row["sha256"] == stored.sha256
    shown = json.loads(encoders("show", "tiny", "--json").stdout)
    assert (shown["models"], shown["preprocessing"]["size"]) == ([], SIZE)
    assert "pictures: 64 px, squash, bicubic" in encoders("show", "tiny").stdout
    missing = encoders("show", "huge")
    assert (missing.exit_code, "there are: tiny" in missing.output) == (2, True)
    shutil.rmtree(tmp_path / "models" / ENCODERS / stored.sha256)
    damaged = encoders("show", "tiny")
    assert (damaged.exit_code, "cannot be read" in damaged.output) == (1, True)


def test_the_same_again_mends_files_and_names_the_licence(
    encoders: Encoders, weights: Path, engine: Engine, tmp_path: Path
) -> None:
    assert encoders("add", "tiny", NETWORK, "--weights", weights).exit_code == 0
    with engine.connect() as connection:
        (stored,) = stored_encoders(connection)
    file = tmp_path / "models" / ENCODERS / stored.sha256 / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert "trainer encoders add" in encoders("show", "tiny").output
    again = encoders("add", "tiny", NETWORK, "--weights", weights, "--licence", "mit")
    assert "Added before" in again.output
    shown = encoders("show", "tiny")
    assert (shown.exit_code, "licence mit" in shown.output) == (0, True)
