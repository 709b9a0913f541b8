"""Whether the daily tests find small random mistakes in code that must not fail.

    python -m benchmarks.mutants [--count 20] [--parent HEAD~1]

A mutant is one changed word or sign, in Python or in SQL. The parent commit is the seed. For each
mutant the tests of its module, its folder and its package run, in this order and up to the first
failure, in a copy of the repository. The output names the mutants that no test found, for a person
to check.
"""

import ast
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.parts.report import at_most, finish
from benchmarks.parts.services import REPOSITORY
from benchmarks.parts.worktree import worktree

SUBJECTS = (
    "worker/ledger/chunks.py",
    "worker/ledger/sweep.py",
    "worker/ledger/finish.py",
    "worker/ledger/enrichments.py",
    "worker/exports/selection.py",
    "worker/exports/formats/texts.py",
    "trainer/scoring/thresholds.py",
    "common/fetch/client.py",
    "common/fetch/addresses.py",
    "common/fetch/download.py",
    "desk/access/sessions.py",
    "desk/access/identity.py",
    "desk/web/asking.py",
    "desk/web/noted_actions.py",
)
OF_PYTHON = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
OF_SQL = {
    "=": "<>", "<>": "=", "<": "<=", ">": ">=", "<=": "<", ">=": ">", "AND": "OR", "OR": "AND",
    "ASC": "DESC", "DESC": "ASC", "NOT": "", "min": "max", "max": "min", "EXISTS": "NOT EXISTS",
}  # fmt: skip
_SIGN = r"(?<![<>=:!|-])(?:<>|<=|>=|=|<|>)(?![<>=|-])"
_SQL = re.compile(rf"{_SIGN}|\b(?:AND|OR|NOT|min|max|EXISTS|DESC)\b")
_IS_SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE)\b")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A place in a file, by its first and its last byte, and its new content."""

    file: str
    begin: int
    end: int
    instead: str

    @property
    def source(self) -> bytes:
        source = (REPOSITORY / self.file).read_bytes()
        return source[: self.begin] + self.instead.encode() + source[self.end :]

    @property
    def is_python(self) -> bool:
        """Whether the file is still Python: a sign in an f-string may belong to an expression."""
        try:
            ast.parse(self.source)
        except SyntaxError:
            return False
        return True

    def __str__(self) -> str:
        source = (REPOSITORY / self.file).read_bytes()
        line = source.count(b"\n", 0, self.begin) + 1
        return f"{self.file}:{line} {source[self.begin : self.end].decode()!r} -> {self.instead!r}"


def main(
    count: Annotated[int, typer.Option(min=1)] = 20,
    parent: Annotated[str, typer.Option(help="The seed.")] = "HEAD~1",
) -> None:
    """Draw mutants, run the tests on them, and fail if one is left that no person has checked."""
    seed = subprocess.check_output(["git", "rev-parse", parent], cwd=REPOSITORY, text=True).strip()
    drawn = random.Random(seed).sample([each for file in SUBJECTS for each in mutants(file)], count)
    left = []
    for each in drawn:
        is_found = _is_found(each)
        if not is_found:
            left.append(each)
        typer.echo(f"{'found' if is_found else 'left '} {each}")
    finish(figures={"drawn": count, "left": len(left)}, bars={"left": at_most(0)})


def mutants(file: str) -> Iterator[Mutant]:
    """All mutants of a file that are still Python."""
    yield from dict.fromkeys(each for each in _changes(file) if each.is_python)


def _changes(file: str) -> Iterator[Mutant]:
    source = (REPOSITORY / file).read_text()
    lengths = [len(line.encode()) for line in source.splitlines(keepends=True)]

    def place(line: int, column: int) -> int:
        return sum(lengths[: line - 1]) + column

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            begin = place(node.left.end_lineno or 0, node.left.end_col_offset or 0)
            end = place(node.comparators[0].lineno, node.comparators[0].col_offset)
            instead = f" {OF_PYTHON[type(node.ops[0])]} "
            yield Mutant(file=file, begin=begin, end=end, instead=instead)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            begin = place(node.lineno, node.col_offset)
            yield Mutant(file=file, begin=begin, end=begin + len("not "), instead="")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            begin, end = (
                place(node.lineno, node.col_offset),
                place(node.end_lineno or 0, node.end_col_offset or 0),
            )
            text = source.encode()[begin:end].decode()
            for sign in _SQL.finditer(text) if _IS_SQL.search(text) else ():
                at = begin + len(text[: sign.start()].encode())
                yield Mutant(file=file, begin=at, end=at + len(sign[0]), instead=OF_SQL[sign[0]])


def _tests_of(file: str) -> list[str]:
    """Tests of the module, then those of its folder, then those of its package."""
    folder = Path("tests", file).parent
    own = sorted((REPOSITORY / folder).glob(f"test_{Path(file).stem}*"))
    return [
        *(str(each.relative_to(REPOSITORY)) for each in own),
        str(folder),
        str(Path(*folder.parts[:2])),
    ]


def _is_found(mutant: Mutant) -> bool:
    with worktree("HEAD") as copy:
        (copy / mutant.file).write_bytes(mutant.source)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-m", "not slow", *_tests_of(mutant.file)],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            check=False,
            capture_output=True,
        )
    return done.returncode == 1


if __name__ == "__main__":
    typer.run(main)
