"""`trainer evaluate` on pictures that the model knows already, whose scores flatter it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from common.store.tables import Image
from common.vision.answers.familiar_pictures import FamiliarPictures
from tests.trainer.bundles import describe, promoted
from tests.trainer.pictures import draw_folder
from tests.trainer.store_rows import add_dataset
from trainer.cli import app

RECORDS = [f"/1/{label}_{number}" for label in ("map", "toy") for number in range(3)]


def evaluated(*more: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", "small", *more])


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with a dataset of three maps and three toys."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=3)
    return engine


def knowing(engine: Engine, tmp_path: Path, known: FamiliarPictures | None) -> None:
    """The model `small` in service, which knows these pictures."""
    promoted(engine, tmp_path / "models", known=known)


def test_known_records_are_counted_and_warned_of(engine: Engine, tmp_path: Path) -> None:
    knowing(engine, tmp_path, FamiliarPictures.of(RECORDS[:4], []))
    result = evaluated("--dataset", "plain")
    assert result.exit_code == 0, result.output
    assert "6 pictures of dataset plain; the model knows 4 of these pictures" in result.stdout
    assert result.stderr.splitlines()[-1] == (
        "WARNING: 4 of these 6 pictures were used to train or to test small v1, so the scores are "
        "too high. Leave these pictures out: --only-unseen"
    )
    told = evaluated("--dataset", "plain", "--json")
    assert json.loads(told.stdout)["known"] == 4
    assert "WARNING" in told.stderr


def test_only_unseen_ones_are_scored_on_demand(engine: Engine, tmp_path: Path) -> None:
    knowing(engine, tmp_path, FamiliarPictures.of(RECORDS[:4], []))
    result = evaluated("--dataset", "plain", "--only-unseen", "--json")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert (scores["examples"], scores["known"]) == (2, 0)
    assert scores["left_out"] == {"it was used to train or to test the model": RECORDS[:4]}
    assert "WARNING" not in result.stderr


def test_nothing_left_is_an_error(engine: Engine, tmp_path: Path) -> None:
    knowing(engine, tmp_path, FamiliarPictures.of(RECORDS, []))
    result = evaluated("--dataset", "plain", "--only-unseen")
    assert result.exit_code == 1
    assert "All 6 pictures of dataset plain were used to train or to test" in result.stderr
    assert result.stdout == ""


def test_the_same_files_are_known_wherever_they_lie(engine: Engine, tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 3)
    with engine.connect() as connection:
        files = connection.execute(Image.__table__.select()).all()
    knowing(engine, tmp_path, FamiliarPictures.of([], [each.sha256 for each in files]))
    scores = json.loads(evaluated("--data-dir", str(folder), "--json").stdout)
    assert (scores["examples"], scores["known"]) == (6, 6)


def test_new_pictures_bring_no_warning(engine: Engine, tmp_path: Path) -> None:
    knowing(engine, tmp_path, FamiliarPictures.of(["/9/other"], []))
    result = evaluated("--dataset", "plain")
    assert (result.exit_code, "WARNING" in result.stderr) == (0, False)
    assert "6 pictures of dataset plain\n" in result.stdout


def test_a_model_that_keeps_no_list_may_know_them(engine: Engine, tmp_path: Path) -> None:
    knowing(engine, tmp_path, None)
    result = evaluated("--dataset", "plain", "--json")
    assert json.loads(result.stdout)["known"] is None
    assert "The training pictures of small v1 are unknown" in result.stderr
    refused = evaluated("--dataset", "plain", "--only-unseen")
    assert (refused.exit_code, "has no list of its training pictures" in refused.stderr) == (
        1,
        True,
    )


def test_what_a_foreign_checkpoint_learned_from_stays_unknown(
    engine: Engine, tmp_path: Path
) -> None:
    foreign = replace(describe(), created_from={"checkpoint": "checkpoint.pth"})
    known = FamiliarPictures.of(["/9/other"], [])
    promoted(engine, tmp_path / "models", known=known, description=foreign)
    assert "The training pictures of" in evaluated("--dataset", "plain").stderr
