"""What the command says of data providers that the folds left out."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, update
from typer.testing import CliRunner, Result

from common.store.tables import Record
from tests.trainer.begun import QUICK as BEGUN
from tests.trainer.store_rows import add_dataset
from trainer.cli import app
from trainer.data.store_dataset import dataset_data
from trainer.experiment import Experiment

EPOCH = (
    *("--arch", "shufflenet_v2_x0_5", "--input-size", "32"),
    *("--epochs", "1", "--batch-size", "8", "--learning-rate", "0.003"),
)
QUICK = (*EPOCH, "--folds", "2")


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with a dataset of twelve maps and twelve toys, of two providers."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=12)
        is_even = func.right(Record.id, 1).in_([*"02468"])
        connection.execute(update(Record).values(data_provider="Attic"))
        connection.execute(update(Record).where(is_even).values(data_provider="Museum"))
    return engine


def _run(folder: Path, *more: str) -> Result:
    arguments = ["train", "--dataset", "plain", "--saving-dir", str(folder), *more]
    return CliRunner().invoke(app, arguments)


def _train(folder: Path, *more: str) -> str:
    result = _run(folder, *QUICK, *more)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def _add_a_provider(engine: Engine) -> None:
    """A third one, so that folds leave providers out by default."""
    with engine.begin() as connection:
        of_castle = func.right(Record.id, 1).in_([*"258"])
        connection.execute(update(Record).where(of_castle).values(data_provider="Castle"))


def test_each_left_out_provider_has_its_line(engine: Engine, tmp_path: Path) -> None:
    text = _train(tmp_path / "experiments", "--group-by", "provider")
    assert "Left-out providers, with 95% intervals" in text
    assert "Attic 12 0." in text
    assert "even lower with a probability of 1 in 3" in text
    report = (tmp_path / "experiments" / "model_training" / "report.html").read_text()
    assert "Providers that it did not learn from" in report


def test_without_left_out_providers_nothing_is_said_of_them(engine: Engine, tmp_path: Path) -> None:
    assert "Left-out providers" not in _train(tmp_path / "experiments", "--group-by", "picture")


@pytest.mark.slow
def test_a_begun_training_keeps_its_grouping_whatever_the_default_is(
    engine: Engine, tmp_path: Path
) -> None:
    _add_a_provider(engine)
    begun = _run(tmp_path, *EPOCH, "--group-by", "picture", "--folds", "3")
    assert begun.exit_code == 0, begun.output
    (tmp_path / "model_training" / "split_2" / "metrics.json").unlink()
    result = _run(tmp_path, *EPOCH)
    assert result.exit_code == 0, result.output
    assert "Fold 3: accuracy" in result.output
    assert "data providers" not in result.output


def test_it_does_not_keep_what_is_given_otherwise(engine: Engine, tmp_path: Path) -> None:
    _add_a_provider(engine)
    data = dataset_data(engine, "plain", tmp_path / "images")
    Experiment(tmp_path, "model_training").begin(BEGUN.changed(epochs=1), data)
    result = _run(tmp_path, *EPOCH, "--group-by", "provider", "--folds", "3")
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert "group_by provider instead of picture; folds 3 instead of 2" in message


def test_other_data_is_refused_as_that_alone(engine: Engine, tmp_path: Path) -> None:
    data = dataset_data(engine, "plain", tmp_path / "images")
    begun = BEGUN.changed(epochs=1, learning_rate=0.003)
    Experiment(tmp_path, "model_training").begin(begun, data)
    _add_a_provider(engine)
    result = _run(tmp_path, *EPOCH)
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert "The differences now: the data of dataset plain were different then. Choose" in message
