"""Adding and removing encoders, as commands."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import safetensors.torch
import torch
from sqlalchemy import Connection, Engine, insert, text
from typer.testing import CliRunner, Result

from common.store.encoders import register_encoder, stored_encoders
from common.store.session import limit_lock_wait
from common.store.tables import PromotedModel
from common.vision.encoders.encoder import ENCODERS, load_encoder
from common.vision.encoders.networks import build_network
from tests.trainer.encoders import NETWORK, SIZE, add_tiny
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


def folders(models: Path) -> list[str]:
    found = models / ENCODERS
    return sorted(each.name for each in found.iterdir()) if found.exists() else []


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
        (("a/b", NETWORK), 2, "'a/b' is no name of an encoder"),
        (("x",), 2, "Give either a network or --experiment"),
        (("x", NETWORK, "--experiment", "run"), 2, "Give either a network or --experiment"),
        (("x", "--experiment", "run", "--weights", "w"), 2, "--weights goes with a network"),
        (("x", "timm:test_efficientnett"), 2, "Did you mean test_efficientnet"),
        (("x", NETWORK, "--weights", "nowhere.safetensors"), 1, "There is no weight file"),
        (("x", "timm:test_convnext", "--weights", "WEIGHTS"), 1, "weights of another network"),
        (("x", NETWORK, "--weights", "WEIGHTS", "--licence", "a\nb"), 2, "--licence is a name"),
        (("x", "--experiment", "nothing"), 2, "There is no experiment"),
        (("x", NETWORK, "--weights", "ZERO"), 1, "the network gives no numbers for a picture"),
        (("x", NETWORK, "--weights", "WHOLE"), 1, "holds whole numbers"),
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


def test_an_encoder_goes_with_its_files_unless_a_model_needs_it(
    encoders: Encoders, engine: Engine, tmp_path: Path
) -> None:
    stored = add_tiny(engine, tmp_path / "models")
    row = {"name": "pilot", "version": 1, "path": "pilot-1", "sha256": "a" * 64}
    with engine.begin() as connection:
        values = row | {"labels": [], "thresholds": {}, "encoder_id": stored.id}
        connection.execute(insert(PromotedModel).values(values))
    refused = encoders("remove", "tiny")
    assert (refused.exit_code, "pilot@1 needs it" in refused.output) == (2, True)
    assert folders(tmp_path / "models") == [stored.sha256]
    with engine.begin() as connection:
        connection.execute(PromotedModel.__table__.delete())
    assert encoders("remove", "tiny").exit_code == 0
    assert folders(tmp_path / "models") == []


def look(connection: Connection) -> None:
    connection.execute(text("SELECT count(*) FROM embedding"))


def seconds_to_look(engine: Engine) -> float:
    """How long a reader waits that begins now."""
    begun = time.monotonic()
    with engine.connect() as connection:
        look(connection)
    return time.monotonic() - begun


def slowest_look(engine: Engine, during: Future[Result], *, seconds: float) -> float:
    """The longest that readers wait who come one after the other."""
    end, slowest = time.monotonic() + seconds, 0.0
    while time.monotonic() < end and not during.done():
        slowest = max(slowest, seconds_to_look(engine))
    return slowest


def test_who_removes_an_encoder_waits_for_a_reader_and_holds_up_no_other(
    encoders: Encoders, engine: Engine, tmp_path: Path
) -> None:
    add_tiny(engine, tmp_path / "models")
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as reader:
            look(reader)
            removed = pool.submit(encoders, "remove", "tiny")
            assert slowest_look(engine, removed, seconds=3) < 1
            assert not removed.done()
        assert removed.result().exit_code == 0, removed.result().output
    with engine.connect() as connection:
        assert stored_encoders(connection) == []


def test_an_encoder_that_is_always_read_stays_and_that_is_said(
    encoders: Encoders, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = add_tiny(engine, tmp_path / "models")
    monkeypatch.setattr("trainer.models.encoders.PATIENCE", 1.0)
    with engine.connect() as reader:
        look(reader)
        refused = encoders("remove", "tiny")
    assert refused.exit_code == 1
    assert "The encoder tiny cannot be removed now" in refused.output
    with engine.connect() as connection:
        assert stored_encoders(connection) == [stored]
    assert folders(tmp_path / "models") == [stored.sha256]


def test_an_encoder_is_added_beside_a_reader(engine: Engine) -> None:
    with engine.connect() as reader:
        look(reader)
        with engine.begin() as connection:
            limit_lock_wait(connection, 0.2)
            assert register_encoder(
                connection, name="a", sha256="a" * 64, network="x", dimension=3, licence=""
            )
            assert seconds_to_look(engine) < 1
