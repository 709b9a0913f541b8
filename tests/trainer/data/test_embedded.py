"""Training pictures are embedded once: kept at once, and gone on with after a kill."""

import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from common.errors import DatasetError, ModelError
from common.store.encoders import StoredEncoder
from common.vision.answers.heads import halved
from common.vision.encoders.description import ENCODERS
from common.vision.encoders.encoder import load_encoder
from common.vision.runtimes import TorchRuntime
from tests.trainer.encoders import BLIND_TO_BLACK, add_tiny
from tests.trainer.pictures import VOCABULARY, draw, draw_folder, write_vocabulary
from tests.trainer.running_commands import running
from tests.waiting import wait_for
from trainer.cli import app
from trainer.data import embedded as module
from trainer.data.dataset import TrainingData, folder_data
from trainer.data.embedded import embed, embedded, pinned
from trainer.settings import TrainingSettings

IN_PAIRS = """
import sys
from pathlib import Path

from common.store.encoders import find_encoder
from common.store.session import open_store
from tests.trainer.pictures import VOCABULARY
from trainer.data import embedded as module
from trainer.data.dataset import folder_data

folder, models = map(Path, sys.argv[1:])
module.KEPT_AT_A_TIME = 2
engine = open_store()
encoder = find_encoder(engine.connect(), "tiny")
module.embed(folder_data(folder, VOCABULARY), encoder, engine, models)
"""


@pytest.fixture
def tiny(engine: Engine, tmp_path: Path) -> StoredEncoder:
    return add_tiny(engine, tmp_path / "models")


def data_in(folder: Path, each: int = 12) -> TrainingData:
    return folder_data(draw_folder(folder, each), VOCABULARY)


def kept(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM embedding")).scalar_one()


def test_an_embedding_is_that_of_the_encoder(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    data = data_in(tmp_path / "data")
    found = embed(data, tiny, engine, tmp_path / "models")
    encoder = load_encoder(tmp_path / "models" / ENCODERS, tiny.sha256)
    prepare = encoder.description.preprocessing.to_uint8
    pictures = [prepare(Image.open(example.path)) for example in data.examples]
    expected = encoder.served.rows(torch.stack(pictures))
    assert found.embeddings.dtype == np.float16
    np.testing.assert_allclose(found.embeddings, halved(expected), atol=1e-3)
    assert found.data == data


def test_what_is_kept_is_not_computed_again(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    data = data_in(tmp_path / "data")
    first = embed(data, tiny, engine, tmp_path / "models")
    (tmp_path / "models" / ENCODERS / tiny.sha256).rename(tmp_path / "gone")
    second = embed(data, tiny, engine, tmp_path / "models")  # needs neither files nor encoder
    assert first.embeddings.tobytes() == second.embeddings.tobytes()


def test_a_picture_that_stands_twice_is_embedded_once(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    folder = draw_folder(tmp_path / "data", 5)
    (folder / "map" / "copy.png").write_bytes((folder / "map" / "000.png").read_bytes())
    found = embed(folder_data(folder, VOCABULARY), tiny, engine, tmp_path / "models")
    assert (len(found.embeddings), kept(engine)) == (11, 10)


def test_unreadable_and_changed_pictures_are_left_out_with_their_reasons(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    folder = draw_folder(tmp_path / "data", 4)
    (folder / "map" / "000.png").write_bytes(b"no picture")
    data = folder_data(folder, VOCABULARY)
    draw("map", 99).save(folder / "map" / "001.png")
    (folder / "toy" / "002.png").unlink()
    found = embed(data, tiny, engine, tmp_path / "models")
    left_out = {part.reason: part.keys for part in found.data.left_out}
    assert left_out == {
        "picture unreadable (damaged)": ("map/000.png",),
        "picture unreadable (the file was changed)": ("map/001.png",),
        "picture unreadable (no such file or directory)": ("toy/002.png",),
    }
    assert len(found.embeddings) == len(found.data.examples) == kept(engine) == 5


def test_a_training_leaves_a_picture_out_that_the_encoder_gives_no_numbers_for(
    engine: Engine, tmp_path: Path
) -> None:
    add_tiny(engine, tmp_path / "models", preprocessing=BLIND_TO_BLACK)
    folder = draw_folder(tmp_path / "data", 12)
    Image.new("RGB", (64, 64)).save(folder / "map" / "black.png")
    where = ["--data-dir", str(folder), "--saving-dir", str(tmp_path / "experiments")]
    where += ["--vocab-json", str(write_vocabulary(tmp_path / "vocabulary.json"))]
    result = CliRunner().invoke(app, ["train", *where, "--encoder", "tiny", "--folds", "2"])
    assert result.exit_code == 0, result.output
    reason = f"picture unreadable ({module.NO_EMBEDDING})"
    assert f"1 x left out, {reason}: map/black.png" in result.output
    (experiment,) = (tmp_path / "experiments").glob("*/report.html")
    assert reason in experiment.read_text()
    assert kept(engine) == 24


def test_data_without_a_readable_picture_is_refused(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    data = data_in(tmp_path / "data", 1)
    for example in data.examples:
        example.path.unlink()
    with pytest.raises(DatasetError, match="No picture of folder .* can be read: no such file"):
        embed(data, tiny, engine, tmp_path / "models")


def test_another_encoder_than_the_training_began_with_is_refused(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    settings = pinned(TrainingSettings(encoder="tiny"))
    assert settings.encoder_sha256 == tiny.sha256
    other = settings.changed(encoder_sha256="0" * 64)
    with pytest.raises(
        ModelError, match="The training began with another encoder than the present tiny"
    ):
        embedded(data_in(tmp_path / "data", 2), other)


def test_damaged_weights_of_the_encoder_are_said(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path
) -> None:
    path = tmp_path / "models" / ENCODERS / tiny.sha256 / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=r"weights\.safetensors is not the file"):
        embed(data_in(tmp_path / "data", 2), tiny, engine, tmp_path / "models")
    assert kept(engine) == 0


def test_embeddings_of_a_runtime_that_is_off_are_refused_and_none_is_kept(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = TorchRuntime._compute
    monkeypatch.setattr(TorchRuntime, "_compute", lambda *given: compute(*given) + 1e-3)
    with pytest.raises(ModelError, match="torch-.* does not agree .* by up to 0.001"):
        embed(data_in(tmp_path / "data", 2), tiny, engine, tmp_path / "models")
    assert kept(engine) == 0


@pytest.mark.slow
def test_after_a_kill_it_goes_on_where_it_was(
    engine: Engine, tiny: StoredEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_in(tmp_path / "data", 40)
    folders = (str(tmp_path / "data"), str(tmp_path / "models"))
    with running(IN_PAIRS, *folders, module="tests.source") as process:
        wait_for(lambda: kept(engine) >= 4, pause=0.005)
        process.send_signal(signal.SIGKILL)
    before = kept(engine)
    assert 4 <= before < 80
    computed: list[int] = []
    vectors = module._vectors

    def counting(pictures, *others):
        computed.append(len(pictures))
        return vectors(pictures, *others)

    monkeypatch.setattr(module, "_vectors", counting)
    found = embed(data, tiny, engine, tmp_path / "models")
    assert sum(computed) == 80 - before
    assert len(found.embeddings) == kept(engine) == 80
    again = replace(data, examples=data.examples[::-1])
    turned = embed(again, tiny, engine, tmp_path / "models")
    assert np.array_equal(turned.embeddings[::-1], found.embeddings)


def test_a_picture_without_numbers_is_left_out(tmp_path: Path) -> None:
    class Silent:
        name, batch_size, streams, tolerance = "silent", 4, 1, 1.0

        def rows(self, batch: torch.Tensor) -> np.ndarray:
            rows = np.ones((len(batch), 3), dtype=np.float32)
            rows[batch[:, 0, 0, 0] == 1] = np.nan
            rows[batch[:, 0, 0, 0] == 2] = 0
            return rows

    examples = data_in(tmp_path / "data", 3).examples
    pictures = {e: torch.full((3, 4, 4), n, dtype=torch.uint8) for n, e in enumerate(examples)}
    with ThreadPoolExecutor(1) as streams:
        found = module._vectors(pictures, Silent(), streams)
    usable = [example for number, example in enumerate(examples) if number not in (1, 2)]
    assert found.keys() == {bytes.fromhex(example.sha256) for example in usable}
