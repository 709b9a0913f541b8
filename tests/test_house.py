"""The house: rooms that one can survey, a test for each module, one meaning for each class name."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
TOWERS = ("common", "harvester", "trainer", "worker", "desk", "enrichment", "deploy")
ROOM = 12  # entries that one takes in at a glance, __init__.py left out
MODULE_LINES, FUNCTION_LINES = 300, 50

# A module, or a folder, and what tests it.
TESTED_ELSEWHERE = {
    "worker/process/wake.py": "tests/worker/processes/test_waking.py",
    "common/process/settings/every.py": "tests/common/process/settings/test_base.py",
    "common/errors.py": "classes without behaviour; every test of an error",
    "common/europeana/entities.py": "tests/harvester/test_vocabulary_check.py asks it over HTTP",
    "common/process/terminal/walking.py": "tests/test_commands.py",
    "common/process/terminal/next_step.py": "tests of every command that names one",
    "common/store/tables/base.py": "tests/common/store/tables/test_tables.py: a bad row each",
    "common/store/tables/enriched.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/harvested.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/jobs.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/learned.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/refused.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/seen.py": "tests/common/store/test_embeddings.py and test_encoders.py",
    "common/vision/kinds.py": "names of types",
    "common/vision/runtimes/cpu_runtimes.py": "tests/common/vision/runtimes/test_runtimes.py",
    "common/vision/runtimes/interface.py": "a protocol",
    "common/vision/runtimes/onnx_export.py": "tests/common/vision/runtimes/test_choice.py",
    "common/pictures/resize.py": "tests/common/pictures/test_decoders.py and the vision tests",
    "common/store/tables/accounts.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/audited.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/reviewed.py": "tests/common/store/tables/test_tables.py",
    "common/store/tables/taught.py": "tests/common/store/tables/test_tables.py",
    "desk/cli.py": "every test of tests/desk/pages starts it",
    "desk/commands/serve.py": "tests/desk/commands/test_serving.py types the command",
    "desk/web/answers.py": "tests/desk/web/test_asking.py is told by them",
    "desk/web/request.py": "tests/desk/web/test_asking.py, and every test of tests/desk/pages",
    "desk/web/deeds.py": "tests/desk/web/test_asking.py does deeds over HTTP",
    "desk/web/cards.py": "tests/desk/pages/test_judge_again.py and others show them",
    "desk/web/streaming.py": "tests/desk/pages/test_download.py takes files, and goes away",
    "desk/web/desk.py": "what views share; every test of tests/desk/pages",
    "desk/review/choices.py": "tests/desk/pages/test_see.py chooses from it",
    "desk/review/model_list.py": "tests/desk/pages/test_models.py and test_data.py",
    "desk/review/models.py": "tests/desk/pages/test_models.py",
    "desk/review/walks.py": "tests/desk/review/test_suggestions.py",
    "enrichment/migrating.py": "tests/enrichment/commands/test_prepare.py",
    "enrichment/cli.py": "every test of a command goes through it",
    "enrichment/checks": "tests/enrichment/commands/test_doctor.py",
    "harvester/cli.py": "every command test of tests/harvester goes through it",
    "harvester/commands": "tests/harvester runs the commands",
    "harvester/datasets/counts.py": "tests/harvester/datasets/test_operations.py",
    "harvester/datasets/plot.py": "tests/harvester/datasets/test_operations.py",
    "harvester/pictures/rows.py": "tests/harvester/pictures/test_harvest.py and test_outcomes.py",
    "harvester/records/category.py": "tests/harvester/records/test_search.py",
    "trainer/cli.py": "every command test goes through it",
    "trainer/commands/encoders.py": "tests/trainer/models/test_encoders.py types the command",
    "trainer/commands/evaluate.py": "tests/trainer/scoring/test_evaluate.py types the command",
    "trainer/commands/importing.py": "tests/trainer/models/test_importing.py types the command",
    "trainer/commands/promote.py": "tests/trainer/models/test_promote.py types the command",
    "trainer/commands/teacher.py": "tests/trainer/teaching/test_teacher.py starts it",
    "trainer/commands/worker.py": "tests/trainer/running/test_on_machines.py starts it",
    "worker/cli.py": "every test of a command goes through it",
    "worker/commands/control.py": "tests/worker/commands/test_jobs.py",
    "worker/commands/enqueue.py": "tests/worker/commands/test_jobs.py",
    "worker/commands/explain.py": "tests/worker/processes/test_explaining.py",
    "worker/commands/options.py": "types of arguments",
    "worker/commands/process.py": "tests/worker/process/test_health.py and tests/worker/processes",
    "worker/commands/similar.py": "tests/worker/commands/test_embeddings.py",
    "worker/commands/status.py": "tests/worker/commands/test_jobs.py",
    "worker/exports/files.py": "tests/worker/commands/test_export.py",
    "worker/jobs/report.py": "tests/worker/commands/test_jobs.py",
    "worker/jobs/watch.py": "tests/worker/commands/test_jobs.py",
    "worker/process/run.py": "tests/worker/processes",
    "worker/process/service.py": "tests/worker/processes and tests/chaos",
    "deploy/local": "tests/deploy/test_local.py starts and kills its processes",
    "deploy/sandbox/__main__.py": "tests/deploy/sandbox/test_main.py",
    "deploy/sandbox/addresses.py": "tests/deploy/sandbox/test_server.py",
    "deploy/sandbox/request_log.py": "tests/deploy/sandbox/test_server.py",
    "deploy/sandbox/api/order.py": "tests/deploy/sandbox/api/test_search.py",
    "deploy/sandbox/api/refusals.py": "tests/deploy/sandbox/api/test_search.py",
    "deploy/sandbox/api/rights.py": "tests/deploy/sandbox/api/test_search.py",
    "deploy/sandbox/api/search_item.py": "tests/deploy/sandbox/api/test_search.py",
    "deploy/sandbox/drawings": "tests/deploy/sandbox/test_collection.py; pictures for the eye",
    "deploy/sandbox/hosts/bombs.py": "tests/deploy/sandbox/hosts/test_misbehaviour.py",
    "deploy/sandbox/hosts/pictures.py": "tests/deploy/sandbox/hosts/test_image_hosts.py",
}
# A test file, or a folder, and its subject.
OWN_SUBJECT = {
    "common/broker/test_ending.py": "how a process ends, in the package itself",
    "common/broker/test_sending.py": "what is sent, in the package itself",
    "common/store/tables/test_tables.py": "constraints of all tables",
    "desk/test_circle.py": "the whole circle, by keyboard",
    "common/store/tables/test_tables_words.py": "enums and constraints of all tables",
    "common/store/tables/test_ledger_load.py": "a view, in jobs.py",
    "common/store/test_expanding.py": "all migrations",
    "common/store/test_migrations.py": "all migrations",
    "common/vision/runtimes/test_runtimes.py": "all runtimes agree",
    "worker/processes": "real worker processes",
    "desk/test_roles.py": "all routes",
    "desk/test_floods.py": "all that the desk reads",
    "deploy/sandbox/test_main.py": "the sandbox as a program",
    "deploy/monitoring/test_rules.py": "the alerts of Prometheus",
    "deploy/test_api_server.py": "the manifests, as Kubernetes takes them",
    "deploy/test_containers.py": "the container files",
    "deploy/test_kubernetes.py": "the manifests",
    "deploy/test_local.py": "local services as processes",
}


def modules(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found if path.name != "__init__.py")


def files_that_test(module: Path) -> list[Path]:
    """`test_NAME.py` beside its like, or several, `test_NAME_ASPECT.py`."""
    folder = TESTS / module.parent
    return [*folder.glob(f"test_{module.stem}.py"), *folder.glob(f"test_{module.stem}_*.py")]


def length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def public_classes(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def named(path: Path, names: Iterable[str]) -> set[str]:
    """The names of a path, or of a folder that it lies in."""
    return {str(path), *map(str, path.parents)} & set(names)


@pytest.mark.parametrize("module", modules(*TOWERS), ids=str)
def test_a_module_has_its_test_or_a_reason(module: Path) -> None:
    assert bool(files_that_test(module)) != bool(named(module, TESTED_ELSEWHERE))


def test_every_reason_is_needed() -> None:
    paths = [*modules(*TOWERS), *(path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))]
    used = {name for path in paths for name in named(path, [*TESTED_ELSEWHERE, *OWN_SUBJECT])}
    assert used == TESTED_ELSEWHERE.keys() | OWN_SUBJECT.keys()


def test_a_test_has_its_module_or_a_reason() -> None:
    of_modules = {path for module in modules(*TOWERS) for path in files_that_test(module)}
    folders = [TESTS / tower for tower in TOWERS]
    files = {path for folder in folders for path in folder.rglob("test_*.py")}
    strangers = [path.relative_to(TESTS) for path in files - of_modules]
    assert [str(path) for path in strangers if not named(path, OWN_SUBJECT)] == []


def test_a_class_name_means_one_thing() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules(*TOWERS, "benchmarks"):
        for name in public_classes(ast.parse((ROOT / module).read_text())):
            places[name].append(str(module))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_room_can_be_surveyed() -> None:
    folders = Counter(module.parent for module in modules(*TOWERS))
    for module in {module.parent for module in modules(*TOWERS) if module.parent.parent.parts}:
        folders[module.parent] += 1
    assert {str(folder): count for folder, count in folders.items() if count > ROOM} == {}


def test_a_module_fits_a_few_screens_and_a_function_one() -> None:
    long = {}
    for module in modules(*TOWERS, "benchmarks"):
        text = (ROOT / module).read_text()
        if (lines := text.count("\n")) > MODULE_LINES:
            long[str(module)] = lines
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (lines := length(node)) > FUNCTION_LINES:
                long[f"{module}: {node.name}"] = lines
    assert long == {}
