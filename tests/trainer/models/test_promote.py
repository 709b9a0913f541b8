"""From an experiment to the active model."""

import hashlib
import json
import pickle
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sqlalchemy import Engine, Row, func, select, update
from typer.testing import CliRunner, Result

from common.store.tables import Checkpoint, Concept, Dataset, PromotedModel, TrainingRun
from common.store.vocabularies import find_vocabulary, read_kept
from common.vision.answers.answering import Answers
from common.vision.answers.rule import Rule
from common.vision.answers.tally import Tally
from common.vision.model import Model as LoadedModel
from common.vision.saved_model import load_bundle
from tests.trainer.pictures import VOCABULARY, draw_folder
from tests.trainer.store_rows import add_dataset, add_label, name_vocabulary
from trainer.cli import app
from trainer.data.dataset import folder_data
from trainer.experiment import Experiment
from trainer.models.store import stored_models
from trainer.report.page import summarise
from trainer.scoring.calibration import at_temperature
from trainer.scoring.evaluate import classify_data

Promote = Callable[..., Result]


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Where `trained` keeps the experiment that all tests of this module start from."""
    return [tmp_path_factory.mktemp("trained") / "experiments"]


@pytest.fixture
def engine(engine: Engine, tmp_path: Path) -> Engine:
    """On a store with a dataset of 40 maps and 40 toys."""
    with engine.begin() as connection:
        add_dataset(connection, "plain", tmp_path / "images", each=40)
    return engine


@pytest.fixture
def trained(engine: Engine, trained_once: list[Path], tmp_path: Path) -> Path:
    """The folder of the experiments, with `run`, a cross-validation of two folds, recorded."""
    folder = tmp_path / "experiments"
    if trained_once[0].exists():
        shutil.copytree(trained_once[0], folder)
    result = CliRunner().invoke(app, _training(folder))  # the second time there is nothing to do
    assert result.exit_code == 0, result.output
    if not trained_once[0].exists():
        shutil.copytree(folder, trained_once[0])
    return folder


def _training(folder: Path) -> list[str]:
    return [
        *("train", "--dataset", "plain", "--saving-dir", str(folder), "--experiment-name", "run"),
        *("--arch", "shufflenet_v2_x0_5", "--input-size", "32", "--folds", "2", "--epochs", "6"),
        *("--batch-size", "8", "--learning-rate", "0.005", "--img-aug", "0.1"),
    ]


@pytest.fixture
def promote(trained: Path) -> Promote:
    """The command `trainer promote`, of a model that may say nothing: 80 pictures prove little."""

    def run(*more: str, experiment: str = "run") -> Result:
        arguments = ["promote", experiment, "--saving-dir", str(trained), "--anyway", *more]
        return CliRunner().invoke(app, arguments)

    return run


def _models(engine: Engine) -> list[Row[tuple[str, int, str, str]]]:
    columns = (
        PromotedModel.name,
        PromotedModel.version,
        PromotedModel.stage,
        PromotedModel.path,
        PromotedModel.sha256,
        PromotedModel.run_id,
    )
    with engine.connect() as connection:
        return list(connection.execute(select(*columns).order_by(PromotedModel.id)))


def test_a_run_on_a_dataset_is_recorded_in_the_store(engine: Engine, trained: Path) -> None:
    with engine.connect() as connection:
        run = connection.execute(select(TrainingRun.name, TrainingRun.metrics)).one()
        checkpoints = connection.execute(select(Checkpoint.path, Checkpoint.fold)).all()
    assert run.name == "run"
    assert 0 <= run.metrics["accuracy"]["mean"] <= 1
    assert [checkpoint.fold for checkpoint in checkpoints] == [0, 1]
    assert all(Path(checkpoint.path).exists() for checkpoint in checkpoints)


def test_a_promoted_model_serves_nobody_and_its_bundle_loads(
    engine: Engine, promote: Promote, tmp_path: Path
) -> None:
    result = promote()
    assert result.exit_code == 0, result.output
    assert "The model is not in service yet. No model serves all records." in result.stderr
    assert "Next: trainer models activate run@1" in result.stderr
    (row,) = _models(engine)
    assert (row.name, row.version, row.stage, row.path) == ("run", 1, "candidate", "run-1")
    assert row.run_id is not None
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    assert model.description.labels == ("map", "toy")
    assert model.description.picture_source == "thumbnail"
    with engine.connect() as connection:
        labels = connection.scalar(select(PromotedModel.labels))
        assert labels == [VOCABULARY["map"], VOCABULARY["toy"]]
        assert set(connection.scalars(select(Concept.uri))) >= set(labels)


def test_an_empty_name_promotes_nothing(engine: Engine, promote: Promote) -> None:
    refused = promote("--name", "")
    assert (refused.exit_code, "'' cannot be the name of a model" in refused.output) == (2, True)
    assert _models(engine) == []


def test_the_best_fold_is_promoted_and_gives_the_probabilities_of_its_test(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path
) -> None:
    assert promote().exit_code == 0
    experiment = Experiment(trained, "run")
    best = min((experiment.result(k) for k in (0, 1)), key=lambda result: result.validation_loss)
    (row,) = _models(engine)
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    assert model.description.created_from["folds"] == [best.fold]
    tested = experiment.predictions(best.fold)
    found = model.probabilities(_pictures(tested.keys, tmp_path / "images", model))
    temperature = summarise(experiment).temperature
    assert model.description.temperature == temperature != 1
    expected = at_temperature(tested.probabilities, temperature, "single")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def _pictures(keys: tuple[str, ...], image_dir: Path, model: LoadedModel) -> torch.Tensor:
    prepare = model.description.preprocessing.to_uint8
    files = [image_dir / f"{key.removeprefix('/1/')}.png" for key in keys]
    return torch.stack([prepare(Image.open(file)) for file in files])


def test_the_self_test_has_unseen_pictures_of_all_categories(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path
) -> None:
    assert promote("--fold", "1").exit_code == 0
    (row,) = _models(engine)
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    model.self_test(model.served.rows)
    unseen = Experiment(trained, "run").predictions(1).keys
    self_test = _found_among(unseen, model.self_test_pictures, tmp_path / "images", model)
    assert len(self_test) == len(unseen) == len(model.self_test_pictures)
    labels = Counter(key.split("_")[0] for key in self_test)
    assert labels["/1/map"] == labels["/1/toy"]


def _found_among(
    keys: tuple[str, ...], pictures: torch.Tensor, image_dir: Path, model: LoadedModel
) -> set[str]:
    """Which of the keys has one of the pictures."""
    known = _pictures(keys, image_dir, model)
    return {
        key
        for key, picture in zip(keys, known, strict=True)
        if (pictures == picture).flatten(1).all(1).any()
    }


def test_an_ensemble_of_networks_is_measured_on_pictures_that_none_of_them_saw(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path
) -> None:
    refused = promote("--ensemble")
    assert refused.exit_code == 2
    assert "give labelled pictures that no network has seen" in refused.stderr
    assert "--dataset NAME or --data-dir FOLDER" in refused.stderr
    refused = promote("--ensemble", "--dataset", "plain")
    assert refused.exit_code == 2
    assert "run was trained on 80 of the 80 pictures of dataset plain" in refused.stderr
    copies = tmp_path / "copies"
    for label in ("map", "toy"):
        (copies / label).mkdir(parents=True)
        for number in range(5):
            shutil.copy(tmp_path / "images" / f"{label}_{number}.png", copies / label)
    refused = promote("--ensemble", "--data-dir", str(copies))
    assert refused.exit_code == 2
    assert "run was trained on 10 of the 10 pictures" in refused.stderr
    refused = promote("--fold", "0", "--dataset", "plain")
    assert refused.exit_code == 2
    assert "--dataset and --data-dir are only for ensembles of networks" in refused.stderr
    _assert_nothing_promoted(engine, tmp_path)


def test_the_ensemble_says_what_its_members_say_together(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path
) -> None:
    others = draw_folder(tmp_path / "others", 30, seed=500)
    result = promote("--ensemble", "--data-dir", str(others), "--precision", "0.3")
    assert result.exit_code == 0, result.output
    (row,) = _models(engine)
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    promise = model.description.promise
    assert promise is not None
    assert promise.said.pictures == 60
    assert promise.measured_on == "other pictures"
    assert model.description.created_from["judged_on"] == f"folder {others}"
    data = folder_data(others, VOCABULARY)
    asked = classify_data(
        model.description, data, model.answers_by(model.served.rows), batch_size=16
    )
    answers = Answers.of(asked.predictions)
    found = Tally.of(answers.probabilities, written=answers.written, unlike=answers.unlike)
    assert found == promise.said


def test_the_ensemble_is_tested_by_all_pictures_of_its_training(
    engine: Engine, promote: Promote, tmp_path: Path
) -> None:
    others = draw_folder(tmp_path / "others", 10, seed=500)
    assert promote("--ensemble", "--name", "all", "--data-dir", str(others)).exit_code == 0
    (row,) = _models(engine)
    model = load_bundle(tmp_path / "models" / "all-1", row.sha256)
    assert len(model.description.members) == 2
    keys = tuple(f"/1/{label}_{i}" for label in ("map", "toy") for i in range(40))
    assert len(_found_among(keys, model.self_test_pictures, tmp_path / "images", model)) == 80


def test_without_the_pictures_of_the_training_the_self_test_is_missed(
    engine: Engine, promote: Promote, trained: Path
) -> None:
    splits = trained / "run" / "splits.csv"
    splits.write_text(splits.read_text().replace("/images/", "/gone/"))
    result = promote()
    assert result.exit_code == 0
    assert "the model has no self-test" in result.output


def test_a_model_of_several_labels_a_picture_is_promoted(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        dataset_id = connection.scalar(select(Dataset.id))
        for number in range(0, 40, 2):
            add_label(connection, dataset_id, f"/1/map_{number}", "toy")
    folder = tmp_path / "experiments"
    trained = CliRunner().invoke(app, [*_training(folder), "--mode", "multi"])
    assert trained.exit_code == 0, trained.output
    promoting = ["promote", "run", "--saving-dir", str(folder), "--precision", "0.3"]
    result = CliRunner().invoke(app, promoting)
    assert result.exit_code == 0, result.output
    assert "less probable" not in result.stderr
    careless = ("--precision", "0.1", "--floor", "0.01", "--name", "careless")
    warned = CliRunner().invoke(app, [*promoting, *careless])
    assert (warned.exit_code, "from a probability below 0.5: map (0." in warned.stderr) == (
        0,
        True,
    )
    row, _ = _models(engine)
    model = load_bundle(tmp_path / "models" / row.path, row.sha256)
    assert (model.description.kind, model.description.rule) == ("multi", Rule.of("multi", 0.2))
    experiment = Experiment(folder, "run")
    (best,) = model.description.created_from["folds"]
    tested = experiment.predictions(best)
    assert tested.targets.sum() > len(tested.keys)
    expected = at_temperature(tested.probabilities, model.description.temperature, "multi")
    found = model.probabilities(_pictures(tested.keys, tmp_path / "images", model))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_model_is_put_in_service_where_that_is_asked_for(
    engine: Engine, promote: Promote
) -> None:
    first = promote("--fold", "0", "--activate")
    assert first.exit_code == 0
    assert "It serves all records.\n" in first.stderr  # and there is none to go back to
    second = promote("--fold", "1")
    assert "The model is not in service yet. run v1 serves all records as before." in second.stderr
    assert [row.stage for row in _models(engine)] == ["active", "candidate"]
    changed = promote("--fold", "1", "--activate", "--json")
    assert "It serves all records. To return to the previous model:" in changed.stderr
    told = json.loads(changed.stdout)
    assert (told["version"], told["is_new"], told["serves_all"]) == (2, False, True)
    assert [row.stage for row in _models(engine)] == ["candidate", "active"]


def test_the_same_promotion_again_makes_no_second_model(
    engine: Engine, promote: Promote, tmp_path: Path
) -> None:
    for fold in ("0", "1"):
        assert promote("--fold", fold).exit_code == 0
    shutil.rmtree(tmp_path / "models" / "run-1")  # lost: it is put back
    again = promote("--fold", "0")
    assert again.exit_code == 0
    assert "Promoted before: run v1" in " ".join(again.output.split())
    rows = _models(engine)
    assert [row.version for row in rows] == [1, 2]
    load_bundle(tmp_path / "models" / "run-1", rows[0].sha256)
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"run-1", "run-2"}


def test_a_concept_that_cannot_keep_the_promise_is_switched_off_and_said_so(
    engine: Engine, promote: Promote, tmp_path: Path
) -> None:
    result = promote("--precision", "0.999")  # cannot be proved by 80 examples
    assert result.exit_code == 0
    assert "a precision of 0.999 is not proved" in " ".join(result.output.split())
    with engine.connect() as connection:
        assert connection.scalar(select(PromotedModel.thresholds)) == {}
    (row,) = _models(engine)
    description = load_bundle(tmp_path / "models" / row.path, row.sha256).description
    assert set(description.thresholds.values()) == {None}


def test_a_model_that_would_write_nothing_is_promoted_on_demand_only(
    engine: Engine, trained: Path, tmp_path: Path
) -> None:
    wanted = ["promote", "run", "--saving-dir", str(trained), "--precision", "0.999"]
    refused = CliRunner().invoke(app, wanted)
    assert refused.exit_code == 1
    assert "because every concept would be off" in refused.stderr
    assert "--anyway" in refused.stderr
    assert "proved precision" in refused.stdout
    _assert_nothing_promoted(engine, tmp_path)
    promoted = CliRunner().invoke(app, [*wanted, "--anyway"])
    assert promoted.exit_code == 0
    assert "there is no promise" in promoted.output
    assert "really show it" not in promoted.output


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


def test_a_pickle_bomb_is_refused_even_with_a_matching_sha256(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path
) -> None:
    split = trained / "run" / "split_0"
    bomb = pickle.dumps(_Bomb(tmp_path / "executed"))
    result = Experiment(trained, "run").result(0)
    metrics = (split / "metrics.json").read_text()
    digest = hashlib.sha256(bomb).hexdigest()
    (split / "metrics.json").write_text(metrics.replace(result.checkpoint_sha256, digest))
    (split / "checkpoint.pth").write_bytes(bomb)
    refused = promote("--fold", "0")
    assert refused.exit_code == 1
    assert "not a plain state dict" in refused.stderr
    assert not (tmp_path / "executed").exists()
    _assert_nothing_promoted(engine, tmp_path)


@pytest.mark.parametrize(
    "damage", ["checkpoint", "unfinished", "predictions", "evidence", "metrics"]
)
def test_a_damaged_or_unfinished_experiment_is_refused(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path, damage: str
) -> None:
    split = trained / "run" / "split_1"
    if damage == "checkpoint":
        (split / "checkpoint.pth").write_bytes((split / "checkpoint.pth").read_bytes()[:-9])
    elif damage == "unfinished":
        (split / "metrics.json").unlink()
    elif damage == "predictions":
        (split / "predictions.csv").write_text("example,category,predicted,map\n/1/x,toy,toy,z\n")
    elif damage == "evidence":
        (split / "evidence.safetensors").write_bytes(b"nothing")
    else:
        (split / "metrics.json").write_text("{")
    refused = promote("--fold", "1")
    assert refused.exit_code == 1
    assert "split_1" in refused.stderr
    _assert_nothing_promoted(engine, tmp_path)


@pytest.mark.parametrize(
    ("more", "experiment", "message"),
    [
        ([], "walk", "there are: run"),
        (["--fold", "2"], "run", "no fold 2"),
        (["--fold", "0", "--ensemble"], "run", "either --fold or --ensemble"),
        (["--precision", "1"], "run", "more than 0, and less than 1"),
        (["--name", "../run"], "run", "cannot be the name"),
    ],
)
def test_wrong_arguments_are_a_message(
    engine: Engine, promote: Promote, tmp_path: Path, more: list[str], experiment: str, message: str
) -> None:
    refused = promote(*more, experiment=experiment)
    assert refused.exit_code == 2, refused.output
    assert message in refused.stderr
    _assert_nothing_promoted(engine, tmp_path)


def _assert_nothing_promoted(engine: Engine, tmp_path: Path) -> None:
    assert _models(engine) == []
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models").iterdir())


def test_a_promotion_renames_no_concept_and_keeps_the_labels_of_the_model(
    engine: Engine, promote: Promote
) -> None:
    with engine.begin() as connection:
        connection.execute(update(Concept).values(label=Concept.label + "_renamed"))
    done = promote()
    assert done.exit_code == 0, done.output
    (stored,) = stored_models(engine)
    assert stored.vocabulary == "model-run@1"
    with engine.connect() as connection:
        renamed = Concept.label.endswith("_renamed")
        assert connection.scalar(select(func.count()).where(~renamed)) == 0
        kept = read_kept(connection, find_vocabulary(connection, "model-run").id)
    assert set(kept.categories) == {"map", "toy"}


def test_a_model_has_the_vocabulary_of_its_dataset(
    engine: Engine, promote: Promote, trained: Path, tmp_path: Path
) -> None:
    name_vocabulary(engine, "plain", "museum")
    shutil.rmtree(trained / "run")
    assert CliRunner().invoke(app, _training(trained)).exit_code == 0
    assert Experiment(trained, "run").dataset().vocabulary == "museum@1"
    assert promote().exit_code == 0
    (stored,) = stored_models(engine)
    assert stored.vocabulary == "museum@1"
    described = load_bundle(tmp_path / "models" / stored.path, stored.sha256).description
    assert described.created_from["vocabulary"] == "museum@1"
    assert "Map of museum" in (trained / "run" / "report.html").read_text()
    assert CliRunner().invoke(app, [*_training(trained), "--lang", "bg,el"]).exit_code == 0
    report = (trained / "run" / "report.html").read_text()
    assert "Карта of museum" in report
    assert "Παιχνίδι of museum" in report
    assert "Map of museum" not in report
    summary = json.loads((trained / "run" / "summary.json").read_text())
    assert set(summary["categories"]) == {"map", "toy"}
