"""From pictures to a promoted head on an encoder, by the commands alone."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select
from typer.testing import CliRunner, Result

from common.store.encoders import find_encoder, remove_encoder
from common.store.tables import PromotedModel, RegisteredEncoder, Verdict
from common.vision.encoders.description import ENCODERS
from common.vision.saved_model import load_bundle
from tests.common.store.verdict_rows import add_people
from tests.trainer.encoders import add_tiny
from tests.trainer.pictures import VOCABULARY, draw
from tests.trainer.store_rows import add_dataset
from trainer.cli import app
from trainer.experiment import Experiment
from trainer.scoring.evaluate import read_pictures

Command = Callable[..., Result]


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with a dataset of 40 maps and 40 toys, and an encoder."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=40)
    add_tiny(engine, tmp_path / "models", licence="cc-by-nc-4.0")
    return engine


@pytest.fixture
def trainer(engine: Engine, tmp_path: Path) -> Command:
    """The command `trainer`; experiments are in their own folder."""

    def run(command: str, *more: object) -> Result:
        where = ("--saving-dir", str(tmp_path / "runs")) if command in ("train", "promote") else ()
        return CliRunner().invoke(app, [command, *map(str, more), *where])

    return run


def trained(trainer: Command, *more: str) -> Result:
    arguments = ("--dataset", "plain", "--encoder", "tiny", "--folds", "2")
    return trainer("train", *arguments, "--experiment-name", "heads", *more)


def test_heads_are_trained_promoted_and_asked(
    trainer: Command, engine: Engine, tmp_path: Path
) -> None:
    first = trained(trainer)
    assert first.exit_code == 0, first.output
    experiment = Experiment(tmp_path / "runs", "heads")
    assert min(result.test.accuracy for result in experiment.results()) > 0.7
    assert list((experiment.split(0) / "heatmaps").glob("*.png"))
    report = (experiment.folder / "report.html").read_text()
    assert "cc-by-nc-4.0" in report
    assert "permits no commercial use" in report

    promoted = trainer("promote", "heads", "--ensemble", "--precision", "0.5")
    assert promoted.exit_code == 0, promoted.output
    with engine.connect() as connection:
        row = connection.execute(select(PromotedModel)).one()
        encoder = connection.execute(select(RegisteredEncoder)).one()
    assert row.encoder_id == encoder.id
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    assert (model.description.encoder, len(model.description.members)) == (encoder.sha256, 2)
    assert model.answering.heads is not None

    shown = trainer("models", "show", "heads")
    assert "2 x head on timm:test_efficientnet at 64 px" in shown.stdout
    assert "encoder: tiny, licence cc-by-nc-4.0" in shown.stdout
    assert "permits no commercial use" in shown.stdout
    scores = json.loads(trainer("evaluate", "heads", "--dataset", "plain", "--json").stdout)
    assert scores["metrics"]["accuracy"] > 0.8

    picture = tmp_path / "photo.png"
    draw("map", 777).save(picture)
    said = trainer("predict", "heads", picture, "--json", "--heatmap", tmp_path / "seen")
    assert said.exit_code == 0, said.output
    assert list((tmp_path / "seen").glob("*.png"))
    refused = trainer("encoders", "remove", "tiny")
    assert (refused.exit_code, "heads@1 needs it" in refused.output) == (2, True)


def test_the_promoted_head_says_what_the_fold_was_tested_with(
    trainer: Command, engine: Engine, tmp_path: Path
) -> None:
    assert trained(trainer).exit_code == 0
    assert trainer("promote", "heads", "--fold", 0, "--precision", "0.5").exit_code == 0
    with engine.connect() as connection:
        row = connection.execute(select(PromotedModel.path, PromotedModel.sha256)).one()
    scores = json.loads(trainer("evaluate", "heads", "--dataset", "plain", "--json").stdout)
    assert scores["known"] == scores["examples"] > 0
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    tested = Experiment(tmp_path / "runs", "heads").predictions(0)
    paths = [tmp_path / "images" / f"{key.rsplit('/', 1)[1]}.png" for key in tested.keys]
    prepare = model.description.preprocessing
    found = model.probabilities(read_pictures(paths, prepare)).astype(np.float64)
    logits = np.log(tested.probabilities.astype(np.float64)) / model.description.temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_finished_training_is_not_done_again(trainer: Command, tmp_path: Path) -> None:
    assert trained(trainer).exit_code == 0
    again = trained(trainer)
    assert (again.exit_code, "is complete; there is nothing left" in again.stdout) == (0, True)


def test_an_encoder_that_went_is_said(trainer: Command, engine: Engine, tmp_path: Path) -> None:
    assert trained(trainer).exit_code == 0
    with engine.begin() as connection:
        encoder = find_encoder(connection, "tiny")
        remove_encoder(connection, encoder)
    missing = trainer("promote", "heads", "--precision", "0.5")
    assert (missing.exit_code, "is not in this store" in missing.output) == (1, True)
    (tmp_path / "models" / ENCODERS / encoder.sha256).rename(tmp_path / "gone")
    missing = trainer("promote", "heads", "--precision", "0.5")
    assert (missing.exit_code, "encoder.json cannot be read" in missing.output) == (1, True)
    assert not list((tmp_path / "models").glob("heads-*"))
    unknown = trainer("train", "--dataset", "plain", "--encoder", "tiny", "--experiment-name", "b")
    assert (unknown.exit_code, "There is no encoder tiny" in unknown.output) == (2, True)


def test_heads_learn_from_verdicts_if_they_are_asked_to(trainer: Command, engine: Engine) -> None:
    with engine.begin() as connection:
        add_people(connection)
        for number in range(3):
            connection.execute(
                insert(Verdict).values(
                    id=uuid4(),
                    record_id=f"/1/map_{number}",
                    concept_uri=VOCABULARY["map"],
                    said="right",
                    user_id=1,
                )
            )
    done = trained(trainer, "--verdicts")
    assert done.exit_code == 0, done.output
    assert "Labelled by verdicts: 3 of 80 pictures." in done.output
    refused = trainer("train", "--dataset", "plain", "--verdicts", "--experiment-name", "network")
    assert (refused.exit_code, "--verdicts is for heads" in refused.output) == (2, True)
