"""The house: rooms that one can survey, small modules, one meaning for each class name."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOWERS = ("common", "harvester", "trainer", "worker", "desk", "publisher", "enrichment", "deploy")
ROOM = 12  # entries that one takes in at a glance, __init__.py left out
MODULE_LINES, FUNCTION_LINES = 300, 50


def modules(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found if path.name != "__init__.py")


def length(function: ast.FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def names(tree: ast.Module) -> Iterator[str]:
    """Public classes, constants and aliases."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                found = [name]
            case ast.Assign(targets=targets):
                found = [each.id for each in targets if isinstance(each, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found = [name]
            case _:
                found = []
        yield from (name for name in found if name[0].isupper())


def imported(tree: ast.Module) -> set[str]:
    return {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_name_means_one_thing() -> None:
    """Each class does, and each constant and alias that another module imports."""
    trees = {each: ast.parse((ROOT / each).read_text()) for each in modules(*TOWERS, "benchmarks")}
    known = set().union(*map(imported, trees.values()))
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module, tree in trees.items():
        dotted = ".".join(module.with_suffix("").parts)
        classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        for name in set(names(tree)):
            if name in classes or f"{dotted}.{name}" in known:
                places[name].append(dotted)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_module_of_a_tower_has_its_name_to_itself() -> None:
    """But for rooms that say in whose name they speak: commands of what, pages of what."""
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for module in modules(
        "common", "harvester", "trainer", "worker", "desk", "publisher", "enrichment"
    ):
        if module.parent.name not in ("commands", "pages", "checks", "tables"):
            places[module.parts[0], module.stem].append(str(module))
    assert [where for where in places.values() if len(where) > 1] == []


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
