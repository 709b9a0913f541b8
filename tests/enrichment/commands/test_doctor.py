"""`enrichment doctor`: what it finds on real services, good and bad."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from common.process.settings.settings_files import NAME, SECRETS_NAME
from common.store.session import open_store
from common.vision.encoders.description import ENCODERS
from deploy.sandbox.server import Sandbox
from enrichment.cli import app
from tests.worker.on_encoder import add_encoder, promote

CONCEPT = {"uri": "http://data.europeana.eu/concept/43"}

MODEL = text("""
    WITH model AS (
        INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
        VALUES ('vases', 1, 'vases-1', repeat('0', 64), '{}', '{}', 'active') RETURNING id)
    INSERT INTO service (model_id) SELECT id FROM model
""")


WORKERS = text("""
    INSERT INTO worker_process (name, device, in_float32, problems)
    VALUES ('a:1', 'cpu', '[]', '[]'), ('a:2', 'cuda:0', '["vases v1"]', '[]'),
           ('a:3', 'cuda:0', '["coins v2", "vases v1"]', '[{"what": "No lists are taken."}]')
""")


def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]], str]:
    """The exit code, each finding by subject and what, and standard error."""
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    found = {f"{each['subject']}, {each['what']}": each for each in json.loads(result.stdout)}
    return result.exit_code, found, result.stderr


def test_without_anything_it_says_what_is_missing_and_who_needs_it(installation: Path) -> None:
    code, found, _ = doctor()
    assert code == 1
    assert found["settings, DATABASE_URL"]["verdict"] == "problem"
    assert found["settings, EUROPEANA_API_KEY"] | {"subject": ""} == {
        "subject": "",
        "what": "EUROPEANA_API_KEY",
        "verdict": "warning",
        "found": "not set",
        "advice": "needed by harvester records and worker run",
    }
    assert found["folders, IMAGE_DIR"]["verdict"] == "ok"


@pytest.mark.usefixtures("database_url", "broker_url")
def test_a_good_installation_has_no_problem(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox() as sandbox:
        monkeypatch.setenv("EUROPEANA_API_URL", sandbox.url)
        monkeypatch.setenv("EUROPEANA_API_KEY", sandbox.key)
        code, found, _ = doctor()
    assert code == 0
    assert found["broker, reached"]["found"] == "yes"
    assert found["Europeana, key accepted"]["found"].startswith("yes; http://127.0.0.1")
    assert found["models, in service for all"]["verdict"] == "warning"
    assert {each["verdict"] for each in found.values()} == {"ok", "warning"}


@pytest.mark.usefixtures("database_url")
def test_what_does_not_work_is_a_problem_with_advice(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store().begin() as connection:
        connection.execute(MODEL)
    (installation / "file").touch()
    with Sandbox() as sandbox:
        monkeypatch.setenv("EUROPEANA_API_URL", sandbox.url)
        monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")
        monkeypatch.setenv("BROKER_URL", "redis://:hunter2@127.0.0.1:1/0")
        monkeypatch.setenv("IMAGE_DIR", str(installation / "file" / "pictures"))
        code, found, _ = doctor()
    assert code == 1
    problems = {name for name, each in found.items() if each["verdict"] == "problem"}
    assert problems == {
        "broker, reached",
        "Europeana, key accepted",
        "folders, IMAGE_DIR",
        "models, in service for all",
    }
    assert all(found[name]["advice"] for name in problems)
    assert "hunter2" not in json.dumps(found)


@pytest.mark.usefixtures("database_url")
def test_it_says_what_workers_compute_on_and_lack(installation: Path) -> None:
    assert doctor()[1]["workers, alive"]["found"] == "none"
    with open_store().begin() as connection:
        connection.execute(WORKERS)
    _, found, _ = doctor()
    assert found["workers, alive"]["found"] == "1 on cpu, 2 on cuda:0"
    assert found["workers, what they lack"]["verdict"] == "warning"
    assert found["workers, what they lack"]["found"] == "a:3: No lists are taken."
    assert found["workers, float16"]["verdict"] == "warning"
    assert found["workers, float16"]["found"] == "refused, so float32 is used: coins v2, vases v1"


def test_of_a_name_that_cannot_be_resolved_it_speaks_of_the_network(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EUROPEANA_API_URL", "https://api.invalid")
    monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")
    _, found, _ = doctor()
    said = found["Europeana, key accepted"]
    assert "api.invalid cannot be reached" in said["found"]
    assert "the network of this machine" in said["advice"]
    assert "KEY" not in said["advice"]


def test_of_a_database_that_is_away_it_says_what_to_do(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/d")
    code, found, _ = doctor()
    assert code == 1
    said = found["database, reached and prepared"]
    assert "Connection refused. Start it, or correct DATABASE_URL." in said["found"]


def test_secrets_alone_are_a_file_that_counts(installation: Path) -> None:
    secrets = installation / SECRETS_NAME
    secrets.touch(mode=0o600)
    secrets.write_text('database_url = "postgresql://u:hunter2@127.0.0.1:1/d"\n')
    _, found, _ = doctor()
    assert found["settings, file"]["found"] == str(secrets)
    assert found["settings, DATABASE_URL"]["found"] == f"from {secrets}"


def test_a_file_is_named_with_what_comes_from_it(installation: Path) -> None:
    (installation / NAME).write_text('model_dir = "models"\nworker_connections = 4\n')
    _, found, _ = doctor()
    assert found["settings, file"]["found"] == str(installation / NAME)
    assert found["settings, WORKER_CONNECTIONS"]["found"] == f"from {installation / NAME}"
    assert str(installation / "models") in found["folders, MODEL_DIR"]["found"]


def test_a_bad_file_is_the_first_problem(installation: Path) -> None:
    (installation / NAME).write_text("")
    (installation / SECRETS_NAME).write_text('database_url = "postgresql://u:hunter2@h/d"\n')
    (installation / SECRETS_NAME).chmod(0o644)
    code, found, _ = doctor()
    assert code == 1
    assert "chmod 600" in found["settings, file"]["found"]
    assert "hunter2" not in json.dumps(found)


def test_people_read_a_list_and_what_to_do(installation: Path) -> None:
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "problem  settings  DATABASE_URL" in result.stdout
    assert "problem: settings, DATABASE_URL: needed by all programs" in result.stderr


def test_a_wrong_value_is_a_problem_of_its_setting(installation: Path) -> None:
    (installation / NAME).write_text('worker_connections = "many"\nworker_runtime = "tpu"\n')
    code, found, _ = doctor()
    assert code == 1
    assert "it must be a whole number" in found["settings, WORKER_CONNECTIONS"]["found"]
    assert "it must be one of auto, torch" in found["settings, WORKER_RUNTIME"]["found"]


def test_a_wrong_value_is_told_once(installation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where several programs and folders have their settings beside it."""
    monkeypatch.setenv("EUROPEANA_API_URL", "nonsense")
    monkeypatch.setenv("EUROPEANA_API_KEY", "key")
    _, found, _ = doctor()
    told = [name for name, each in found.items() if "expected an address" in each["found"]]
    assert told == ["settings, EUROPEANA_API_URL"]
    for name in ("Europeana, key accepted", "folders, IMAGE_DIR", "folders, DESK_CACHE_DIR"):
        assert found[name]["found"] == "not checked: EUROPEANA_API_URL is wrong"
        assert found[name]["advice"] == "First correct EUROPEANA_API_URL."


@pytest.mark.parametrize("text", ['modle_dir = "x"', "model_dir = models", "[worker]\na = 1"])
def test_one_mistake_in_the_file_is_told_once(installation: Path, text: str) -> None:
    (installation / NAME).write_text(f"{text}\n")
    code, found, _ = doctor()
    assert code == 1
    assert list(found) == ["settings, file"]


def test_an_address_with_a_password_is_refused_without_it(
    installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EUROPEANA_API_URL", "http://user:hunter2@127.0.0.1:1")
    _, found, _ = doctor()
    assert found["settings, EUROPEANA_API_URL"]["verdict"] == "problem"
    assert "hunter2" not in json.dumps(found)


def test_the_encoder_that_heads_are_on_is_looked_for(
    engine: Engine, installation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_DIR", str(installation))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO concept (uri, label) VALUES (:uri, 'map')"), CONCEPT)
    encoder = add_encoder(engine, installation)
    model = promote(engine, installation, encoder, name="heads", thresholds={CONCEPT["uri"]: 0.5})
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO service (model_id) VALUES (:model)"), {"model": model})
    served = "models, in service for all"
    assert doctor()[1][served]["found"] == "heads v1, its files are there"
    weights = installation / ENCODERS / encoder.identity / encoder.weights.file
    weights.unlink()
    _, found, _ = doctor()
    assert found[served]["verdict"] == "problem"
    assert str(weights) in found[served]["found"]
