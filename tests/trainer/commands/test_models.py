"""`trainer models`, as its user types it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from common.store.session import open_store
from common.vision.answers.likeness import NEIGHBOURS, Likeness
from common.vision.answers.promise import Promise
from common.vision.answers.rule import Rule
from common.vision.answers.tally import BINS, Tally
from common.vision.network import build_classifier
from tests.trainer.bundles import describe, pictures, promoted
from tests.trainer.pictures import VOCABULARY
from trainer.cli import app
from trainer.models.registry import put_in_service
from trainer.models.store import stored_models


def models(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def engine(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """On a store with `small` in two versions, the second active, and the candidate `other`."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    engine = open_store()
    promoted(engine, tmp_path, seed=1)
    promoted(engine, tmp_path, seed=2)
    promoted(engine, tmp_path, name="other", seed=3, active=False)
    yield engine
    engine.dispose()


def _active(engine: Engine) -> list[str]:
    return [model.title for model in stored_models(engine) if model.serves_all]


def test_the_list_shows_every_model(engine: Engine) -> None:
    assert models("retire", "small@1").exit_code == 0
    result = models("list")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines() if "squeezenet" in line]
    assert [row[:6] for row in rows] == [
        ["other", "1", "not", "serving", "there", "squeezenet1_1"],
        ["small", "1", "retired", "there", "squeezenet1_1", "2"],
        ["small", "2", "serving", "all", "there", "squeezenet1_1"],
    ]
    assert rows[0][6:11] == ["2", "of", "3", "folder", "drawings"]
    assert result.stderr == ""


def test_an_empty_store_says_what_comes_first(database_url: str) -> None:
    result = models("list")
    assert (result.exit_code, result.stdout) == (0, "There are no models yet.\n")
    assert "Next: trainer promote EXPERIMENT" in result.stderr


def test_missing_files_are_told_with_the_way_to_get_them_back(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "small-1" / "member_0.safetensors").unlink()
    listed = models("list")
    assert listed.exit_code == 0
    (first,) = [line for line in listed.stdout.splitlines() if line.split()[:2] == ["small", "1"]]
    assert "files missing" in first
    problem = f"{tmp_path} lacks small-1/member_0.safetensors. Restore them from a backup"
    assert f"WARNING: small v1: {problem}" in listed.stderr
    assert "trainer promote EXPERIMENT --name small" in listed.stderr
    assert f"WARNING: {problem}" in models("show", "small@1").stderr
    told = json.loads(models("show", "small@1", "--json").stdout)
    assert told["missing_files"] == ["small-1/member_0.safetensors"]
    assert told["problem"].startswith(problem)


def test_changed_files_are_told_of_the_model_that_is_shown(engine: Engine, tmp_path: Path) -> None:
    weights = tmp_path / "small-1" / "member_0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    shown = models("show", "small@1")
    assert "WARNING: " in shown.stderr
    assert "is not the file that was saved" in shown.stderr


def test_one_goes_back_to_the_model_that_served_before(engine: Engine) -> None:
    assert models("activate", "small@1").exit_code == 0
    back = models("back")
    assert back.exit_code == 0
    assert back.stdout.splitlines() == [
        "In service for all records now: small v2",
        "Out of service there: small v1. Running jobs keep their model.",
    ]
    assert back.stderr == "To undo it: trainer models back\n"
    assert _active(engine) == ["small v2"]
    assert "In service for: all" in models("show", "small@2").stdout
    assert "In service for: no records" in models("show", "small@1").stdout


def test_nobody_goes_back_to_a_model_without_its_files(engine: Engine, tmp_path: Path) -> None:
    assert models("activate", "small@1").exit_code == 0
    (tmp_path / "small-2" / "member_0.safetensors").unlink()
    refused = models("back")
    assert refused.exit_code == 1
    assert "small v2 cannot serve: " in refused.stderr
    assert refused.stderr.endswith("Nothing was changed.\n")
    assert _active(engine) == ["small v1"]


def test_whom_a_model_cannot_serve_is_told(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO record (id, data_provider) VALUES ('/1/a', 'Attic')"))
    refused = models("activate", "small@1", "--provider", "Attic")
    assert (refused.exit_code, "small v1 cannot serve Attic" in refused.output) == (2, True)
    unknown = models("activate", "small@1", "--provider", "Nobody")
    assert (unknown.exit_code, "no record of data provider" in unknown.output) == (2, True)
    assert models("back", "--provider", "Attic").exit_code == 2


def test_undoing_it_can_be_typed_as_it_is_named(engine: Engine) -> None:
    provider = 'The "Attic" of $5'
    with engine.begin() as connection:
        insert = text("INSERT INTO record (id, data_provider) VALUES ('/1/a', :provider)")
        connection.execute(insert, {"provider": provider})
        connection.execute(
            text("""
            INSERT INTO encoder (id, name, sha256, network, dimension)
            VALUES (9, 'e', repeat('e', 64), 'timm:x', 4)
        """)
        )
        connection.execute(text("UPDATE model SET encoder_id = 9"))
    assert models("activate", "small@1", "--provider", provider).exit_code == 0
    put = models("activate", "other@1", "--provider", provider)
    _, _, named = put.stderr.partition("To undo it: trainer models ")
    assert models(*shlex.split(named)).exit_code == 0


def test_the_list_as_json_has_what_the_bundle_says(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "small-1" / "model.json").unlink()
    other, first, second = json.loads(models("list", "--json").stdout)
    assert (other["name"], second["standing"]) == ("other", "serving")
    assert second["description"]["labels"] == ["map", "toy", "textile"]
    assert first["description"] is None
    assert "model.json" in first["problem"]


def test_a_model_is_shown_with_thresholds_files_and_origin(engine: Engine) -> None:
    result = models("show", "small@1")
    assert result.exit_code == 0, result.output
    assert "small v1, not serving" in result.stdout
    assert "member_0.safetensors: sha256" in result.stdout
    assert "self_test.safetensors: sha256" in result.stdout
    assert "data: folder drawings" in result.stdout
    (textile,) = [line.split() for line in result.stdout.splitlines() if line.startswith("textile")]
    assert textile == ["textile", "off", VOCABULARY["textile"]]


def test_a_model_is_named_as_everything_prints_it(engine: Engine) -> None:
    named = {"small": "small v2", "small@1": "small v1", "small v1": "small v1"}
    for reference, title in named.items():
        assert models("show", reference).stdout.startswith(f"{title}, ")


def test_a_model_is_shown_with_its_promise_and_what_it_has_said_since(
    engine: Engine, tmp_path: Path
) -> None:
    promise = Promise(
        precision=0.9,
        confidence=0.95,
        providers={"Louvre": 1200},
        measured_on="left-out providers",
        said=Tally.of_counts((1200, 1000, 100, *(0,) * (BINS - 1), 1100)),
    )
    promoted(engine, tmp_path, name="new", seed=4, description=replace(describe(), promise=promise))
    before = models("show", "new").stdout
    assert "At least 90% of the pictures that get a concept really show it, at 95%" in before
    assert "This holds for the providers in the training data: Louvre (1,200)." in before
    assert "Abstains: never" in before
    assert "The model has made no predictions in jobs yet." in before
    now = Tally.of_counts((200, 20, 180, *(0,) * (BINS - 1), 20))
    settle_a_job(engine, {str(stored_models(engine, "new")[0].id): {"Prado": now.counts}})
    after = models("show", "new").stdout.split("new v1 said, by data provider:")[1]
    rows = {line.split()[0]: line.split()[1:] for line in after.splitlines() if "%" in line}
    assert rows["Prado"] == ["200", "10.0%", "90.0%", "0.95", "3.75", "drifted"]
    assert rows["at"] == ["promotion", "1,200", "83.3%", "8.3%", "0.95"]
    told = json.loads(models("show", "new", "--json").stdout)
    assert told["drift"]["providers"][0]["has_drifted"]
    assert told["description"]["promise"]["providers"] == {"Louvre": 1200}
    assert "an older version made this model" in models("show", "small@1").stdout


def test_a_model_says_by_which_rule_it_writes_and_when_it_abstains(
    engine: Engine, tmp_path: Path
) -> None:
    references = np.tile(np.eye(1, 512, dtype=np.float16), (NEIGHBOURS, 1))
    torch.manual_seed(0)
    put_in_service(
        engine,
        tmp_path,
        replace(describe(), architecture="resnet18", rule=Rule.of("single", 0.5)),
        [build_classifier("resnet18", classes=3).state_dict()],
        self_test=pictures(),
        likeness=Likeness.of(references, 0.25),
        name="careful",
        active=False,
    )
    shown = models("show", "careful").stdout
    assert "Rule: at most the most probable concept is written" in shown
    assert (
        "Abstains: from pictures too different from the training pictures (likeness < 0.250)."
        in shown
    )
    assert (
        "Rule: each concept that reaches its threshold is written."
        in models("show", "small@1").stdout
    )


def settle_a_job(engine: Engine, said: dict[str, dict[str, tuple[int, ...]]]) -> None:
    """A done job of one chunk, of which its models said this."""
    (model_id,) = said
    statement = text("""
        WITH job AS (INSERT INTO job (model_id) VALUES (:model_id) RETURNING id)
        INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, said)
        SELECT id, 1, '{}', 'done', now(), CAST(:said AS jsonb) FROM job
    """)
    with engine.begin() as connection:
        connection.execute(statement, {"model_id": int(model_id), "said": json.dumps(said)})


@pytest.mark.parametrize("command", ["show", "activate", "retire"])
def test_an_unknown_model_is_answered_with_those_that_exist(engine: Engine, command: str) -> None:
    answers = {
        "large": "There is no model large; there are: other, small.",
        "small@9": "Model small has no version 9. It has: 1, 2.",
        "../small": "is not the name of a model",
    }
    for reference, message in answers.items():
        result = models(command, reference)
        assert result.exit_code == 2
        assert message in result.stderr
    assert _active(engine) == ["small v2"]


def test_another_model_is_activated(engine: Engine) -> None:
    done = models("activate", "other")
    assert done.stdout.splitlines() == [
        "In service for all records now: other v1",
        "Out of service there: small v2",
    ]
    assert _active(engine) == ["other v1"]
    again = models("activate", "other")
    assert again.stdout == "other v1 is already in service for all records: no change.\n"


def test_a_damaged_bundle_is_not_activated(engine: Engine, tmp_path: Path) -> None:
    weights = tmp_path / "small-1" / "member_0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    result = models("activate", "small@1")
    assert result.exit_code == 1
    assert "not the file that was saved" in result.stderr
    assert _active(engine) == ["small v2"]


def test_retiring_the_active_model_warns(engine: Engine) -> None:
    other = models("retire", "other")
    assert other.stdout == "Retired: other v1. It was not in service.\n"
    assert "No model serves" not in other.stderr
    small = models("retire", "small")
    assert small.stdout == "Retired: small v2. It was in service for: all.\n"
    assert "To bring it back: trainer models activate small@2" in small.stderr
    assert "No model serves all records now" in small.stderr
    assert _active(engine) == []


def test_a_model_that_is_retired_already_is_told_so(engine: Engine) -> None:
    assert models("retire", "small@1").stdout == "Retired: small v1. It was not in service.\n"
    again = models("retire", "small@1")
    assert again.exit_code == 0  # as gh and docker do: it is as was asked
    assert again.stdout == "small v1 is already retired: no change.\n"
    assert _active(engine) == ["small v2"]
