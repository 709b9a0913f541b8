"""The container files, as far as they can be checked without an engine."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.process.settings import DeploymentSettings
from common.process.settings.worker import WorkerSettings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
SERVICES = {"harvester", "trainer", "worker", "desk"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    return loaded


def test_the_dockerfile_has_a_target_for_each_service() -> None:
    targets = set(re.findall(r"^FROM base AS (\w+)$", DOCKERFILE, re.MULTILINE))
    commands = set(re.findall(r'^ENTRYPOINT \["(\w+)"\]$', DOCKERFILE, re.MULTILINE))
    assert targets == commands == SERVICES


def test_the_images_install_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = re.findall(r'pip install "?\.\[([\w,]+)\]', DOCKERFILE)
    installed = {extra for names in lists for extra in names.split(",")}
    assert {"plot", "trainer", "worker"} <= installed <= set(project["optional-dependencies"])
    assert set(project["scripts"]) == SERVICES | {"enrichment", "publisher"}


def test_the_images_copy_what_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()
            assert source in allowed


def test_no_image_runs_as_root() -> None:
    stages = DOCKERFILE.split("\nFROM base AS ")[1:]
    assert [stage.split()[0] for stage in stages if "\nUSER enrichment\n" in stage] == [
        "harvester",
        "trainer",
        "desk",
        "worker",
    ]


def test_the_composition_has_every_part(compose: dict[str, Any]) -> None:
    parts = SERVICES | {"postgres", "valkey", "migrate", "teacher", "publisher"}
    assert set(compose["services"]) == parts
    built = {
        name: part["build"]["target"]
        for name, part in compose["services"].items()
        if "build" in part
    }
    others = {"migrate": "harvester", "teacher": "trainer", "publisher": "harvester"}
    assert built == others | {name: name for name in SERVICES}


def test_on_a_machine_with_cards_nothing_falls_back_to_the_cpu() -> None:
    with_cards = yaml.safe_load((ROOT / "deploy" / "compose.gpu.yaml").read_text())["services"]
    assert {name: part["environment"] for name, part in with_cards.items()} == {
        "trainer": {"TRAINER_DEVICE": "cuda"},
        "worker": {"WORKER_DEVICE": "cuda"},
    }


def test_services_wait_for_the_migration(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        migrate = compose["services"][name]["depends_on"]["migrate"]
        assert migrate["condition"] == "service_completed_successfully"


def test_every_variable_that_a_service_needs_is_set(compose: dict[str, Any]) -> None:
    given = set(compose["services"]["worker"]["environment"])
    needed = {
        name.upper()
        for settings in [*DeploymentSettings.__subclasses__(), WorkerSettings]
        for name, field in settings.model_fields.items()
        if field.is_required()
    }
    assert needed <= given


def test_a_password_of_any_signs_reaches_postgres(compose: dict[str, Any]) -> None:
    given = compose["services"]["worker"]["environment"]
    assert "POSTGRES_PASSWORD" not in given["DATABASE_URL"]
    assert (
        given["PGPASSWORD"] == compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]
    )


def test_every_volume_is_declared(compose: dict[str, Any]) -> None:
    mounted = {
        volume.split(":")[0]
        for part in compose["services"].values()
        for volume in part.get("volumes", ())
    }
    assert mounted == set(compose["volumes"])
