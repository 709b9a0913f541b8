"""`trainer evaluate`: a model scored on labelled pictures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from common.errors import DatasetError
from common.vision.answers.answering import Answering, Answers
from common.vision.answers.promise import Promise
from common.vision.answers.tally import Tally
from common.vision.bundle import Description
from common.vision.preprocessing import Preprocessing
from tests.trainer.bundles import bundle, describe, promoted
from tests.trainer.pictures import VOCABULARY, draw_folder
from tests.trainer.store_rows import add_dataset
from trainer.cli import app
from trainer.data.dataset import folder_data
from trainer.scoring.evaluate import Unreadable, classify, evaluate
from trainer.scoring.evaluation import ModelScores

_URIS = describe().concept_uris


def run(model: Path | str, *more: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", str(model), *more])


def _as_json(scores: ModelScores) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(TypeAdapter(ModelScores).dump_json(scores))
    return members


_MODEL: dict[str, Any] = {"title": "small v1", "known": None}


class _Pretender:
    """Answers with given probabilities, in the order of the pictures."""

    def __init__(self, description: Description, rows: list[list[float]]) -> None:
        self.answering = Answering(description=description, heads=None, likeness=None)
        self.rows = np.array(rows, dtype=np.float32)
        self.batches: list[int] = []

    def __call__(self, batch: torch.Tensor) -> Answers:
        start = sum(self.batches)
        self.batches.append(len(batch))
        return self.answering.answers(self.rows[start : start + len(batch)])


def test_the_numbers_are_those_of_the_answers(tmp_path: Path) -> None:
    data = folder_data(draw_folder(tmp_path / "data", 3), VOCABULARY)
    description = describe(threshold=0.5)
    compute = _Pretender(
        description,
        [
            [0.9, 0.1, 0.0],  # maps: two right, both written
            [0.6, 0.3, 0.1],
            [0.2, 0.7, 0.1],  # called a toy, and written as one
            [0.3, 0.4, 0.3],  # toys: two right, one of them written
            [0.1, 0.8, 0.1],
            [0.1, 0.0, 0.9],  # called a textile, which is switched off
        ],
    )
    found = evaluate(description, data, compute, batch_size=4, **_MODEL)
    assert compute.batches == [4, 2]
    assert found.metrics.accuracy == pytest.approx(4 / 6)
    maps, toys = found.thresholds["map"], found.thresholds["toy"]
    assert (maps.written, maps.precision, maps.found) == (2, 1.0, pytest.approx(2 / 3))
    assert (toys.written, toys.precision, toys.found) == (2, 0.5, pytest.approx(1 / 3))
    assert found.thresholds["textile"].written == 0
    assert found.written_precision == 0.75
    assert found.pictures_written == 4
    assert _as_json(found)["metrics"]["categories"]["textile"]["f1"] is None
    assert _as_json(found)["thresholds"]["textile"]["precision"] is None


def test_unreadable_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 2)
    (folder / "map" / "000.png").write_bytes(b"no picture")
    data = folder_data(folder, VOCABULARY)
    compute = _Pretender(describe(), [[0.9, 0.1, 0.0]] * 3)
    found = evaluate(describe(), data, compute, batch_size=8, **_MODEL)
    assert found.examples == 3
    assert list(found.left_out.values()) == [("map/000.png",)]
    assert found.thresholds["map"].precision == pytest.approx(1 / 3)


def test_the_same_concept_under_another_label_is_the_same_category(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 2)
    (folder / "map").rename(folder / "chart")
    (tmp_path / "v.json").write_text(
        json.dumps({"chart": VOCABULARY["map"], "toy": VOCABULARY["toy"]})
    )
    model = bundle(tmp_path / "m")
    vocabulary = ("--vocab-json", str(tmp_path / "v.json"))
    result = run(model, "--data-dir", str(folder), *vocabulary, "--json")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert scores["metrics"]["categories"]["map"]["support"] == 2
    assert scores["model"] == str(model)


def test_tables_are_for_people_and_json_for_programs(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 2, ("map", "textile", "toy"))
    model = bundle(tmp_path / "m")
    result = run(model, "--data-dir", str(folder))
    assert result.exit_code == 0, result.output
    for title in ("macro F1", "calibration error", "Most probable category", "Written concepts"):
        assert title in result.stdout
    told = run(model, "--data-dir", str(folder), "--json")
    assert json.loads(told.stdout)["examples"] == 6


def _promising(precision: float) -> Description:
    """A model that promises a precision, and learned from the Museum."""
    promise = Promise(
        precision=precision,
        confidence=0.95,
        providers={"Museum": 100},
        measured_on="own pictures",
        said=Tally.sum([]),
    )
    return replace(describe(threshold=0.5), promise=promise)


def test_what_was_promised_is_compared_with_what_is_found(tmp_path: Path) -> None:
    data = folder_data(draw_folder(tmp_path / "data", 6), VOCABULARY)
    named = [replace(e, provider="Museum" if e.labels == (0,) else "Attic") for e in data.examples]
    data = replace(data, examples=tuple(named))
    maps, toys = [[0.9, 0.1, 0.0]] * 6, [[0.8, 0.2, 0.0]] * 4 + [[0.3, 0.7, 0.0]] * 2
    description = _promising(0.98)
    found = evaluate(
        description, data, _Pretender(description, maps + toys), batch_size=12, **_MODEL
    )
    check = found.promise
    assert check is not None
    states = {label: each.promise for label, each in check.concepts.items()}
    assert states == {"map": "broken", "toy": "holds", "textile": "off"}
    assert (check.concepts["map"].right, check.concepts["map"].written) == (6, 10)
    members = _as_json(found)["promise"]
    assert (members["broken"], members["providers_without_promise"]) == (["map"], {"Attic": 6})


def test_the_command_says_whether_the_promise_is_kept(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 2, ("map", "textile", "toy"))
    model = bundle(tmp_path / "m", replace(_promising(0.9), thresholds=dict.fromkeys(_URIS)))
    result = run(model, "--data-dir", str(folder))
    assert result.exit_code == 0, result.output
    flat = " ".join(result.stdout.split())
    for line in (*_promising(0.9).promise.in_words(), "Promised and measured precision"):
        assert line in flat
    assert "because they are too different from the training pictures: 0 of 6 pictures" in flat
    assert flat.endswith("Every concept is off, so there is no promise.")
    told = run(model, "--data-dir", str(folder), "--json")
    assert json.loads(told.stdout)["promise"]["precision"] == 0.9


def test_a_model_of_an_older_version_has_nothing_to_compare_with(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 2)
    result = run(bundle(tmp_path / "m"), "--data-dir", str(folder))
    assert result.exit_code == 0, result.output
    assert "Written concepts, at the thresholds" in result.stdout
    assert "has no promise to compare with" in result.stdout


def test_categories_that_the_model_does_not_know_are_named(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "data", 2)
    (folder / "toy").rename(folder / "ship")
    ship = {"map": VOCABULARY["map"], "ship": "http://example.org/ship"}
    with pytest.raises(
        DatasetError, match=r"ship \(http://example.org/ship\).*The model has map, toy"
    ):
        evaluate(
            describe(),
            folder_data(folder, ship),
            _Pretender(describe(), []),
            batch_size=1,
            **_MODEL,
        )
    refused = run(bundle(tmp_path / "m"), "--data-dir", str(folder))
    assert refused.exit_code == 2
    assert "no concept for ship" in refused.stderr


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with a dataset of three maps and three toys."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=3)
    return engine


def test_a_stored_model_is_scored_on_a_dataset_of_the_store(engine: Engine, tmp_path: Path) -> None:
    promoted(engine, tmp_path / "models")
    result = run("small@1", "--dataset", "plain", "--json")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert (scores["model"], scores["data"], scores["examples"]) == ("small v1", "dataset plain", 6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "Give either --dataset NAME or --data-dir FOLDER"),
        (["--data-dir", "/nowhere"], "no folder /nowhere"),
    ],
)
def test_wrong_arguments_are_a_message(tmp_path: Path, more: list[str], message: str) -> None:
    result = run(bundle(tmp_path / "m"), *more)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_what_is_no_file_is_not_read() -> None:
    (found,) = classify(
        [Path("/dev/zero")], Preprocessing(size=32), lambda batch: batch.numpy(), batch_size=4
    )
    assert isinstance(found, Unreadable)
    assert found.reason == "it is not a regular file"
