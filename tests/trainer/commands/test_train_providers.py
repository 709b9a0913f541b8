"""What the command says of data providers that the folds left out."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, update
from typer.testing import CliRunner

from common.store.tables import Record
from tests.trainer.store_rows import add_dataset
from trainer.cli import app

QUICK = (
    *("--arch", "shufflenet_v2_x0_5", "--input-size", "32", "--folds", "2"),
    *("--epochs", "1", "--batch-size", "8", "--learning-rate", "0.003"),
)


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with a dataset of twelve maps and twelve toys, of two providers."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=12)
        is_even = func.right(Record.id, 1).in_([*"02468"])
        connection.execute(update(Record).values(data_provider="Attic"))
        connection.execute(update(Record).where(is_even).values(data_provider="Museum"))
    return engine


def _train(folder: Path, *more: str) -> str:
    arguments = ["train", "--name", "plain", "--saving-dir", str(folder), *QUICK, *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_each_left_out_provider_has_its_line(engine: Engine, tmp_path: Path) -> None:
    text = _train(tmp_path / "experiments", "--group-by", "provider")
    assert "Left-out providers, with 95% intervals" in text
    assert "Attic 12 0." in text
    assert "with a probability of 1 in 3" in text
    report = (tmp_path / "experiments" / "model_training" / "report.html").read_text()
    assert "Providers that it had not learned from" in report


def test_without_left_out_providers_nothing_is_said_of_them(engine: Engine, tmp_path: Path) -> None:
    assert "Left-out providers" not in _train(tmp_path / "experiments", "--group-by", "picture")
