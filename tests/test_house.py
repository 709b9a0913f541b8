"""The house: rooms that one can survey, small modules, one meaning for each class name."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOWERS = ("common", "harvester", "trainer", "worker", "desk", "enrichment", "deploy")
ROOM = 12  # entries that one takes in at a glance, __init__.py left out
MODULE_LINES, FUNCTION_LINES = 300, 50


def modules(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found if path.name != "__init__.py")


def length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def public_classes(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


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
