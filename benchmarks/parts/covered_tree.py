"""Commands of a tree of the product under coverage.py: the files that they run through.

A file counts where a line in the body of a function ran: an import alone is no passage. A command
runs in a process of its own, by this file as a program, on the code of the tree:

    python -P covered_tree.py DATA_FILE COMMAND ARGUMENT...

Each message on its standard input names the part of its life that begins with it; that it has
begun is said by the file DATA_FILE.PART.
"""

import ast
import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from coverage import Coverage, CoverageData

PACKAGES = ("common", "harvester", "trainer", "worker")
LONGEST_NAME = 100  # bytes, of a part
TIMEOUT = 300.0  # seconds until something that should happen has happened
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The code in a folder, `root`, and the services that it works on.

    `folder` takes what is known of its commands; `environment` is theirs.
    """

    root: Path
    folder: Path
    environment: Mapping[str, str]

    def migrate(self) -> None:
        """Bring the store to the tree's last migration."""
        self._finish([sys.executable, "-P", "-m", "alembic", "upgrade", "head"])

    def run(self, *command: str) -> frozenset[str]:
        """Run a command; the files that it ran through.

        Raises:
            SystemExit: it failed; it has said why.
        """
        sys.stderr.write(f"  {' '.join(command)}\n")
        data_file = self.folder / "command.coverage"
        self._finish(_covered(data_file, command))
        return passages(data_file, self.root)

    @contextmanager
    def worker(self) -> Iterator["CoveredWorker"]:
        """A worker for as long as the block lasts."""
        data_file = self.folder / "worker.coverage"
        with subprocess.Popen(
            _covered(data_file, ("worker", "run")),
            cwd=self.root,
            env=self._own_environment,
            stdin=subprocess.PIPE,
            stdout=sys.stderr,  # ours is for the figures
        ) as process:
            try:
                yield CoveredWorker(tree=self, process=process, data_file=data_file)
            finally:
                process.terminate()
                process.wait()  # after Ctrl-C too, so that its services outlive it

    def query(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of the store."""
        url = self.environment["DATABASE_URL"].replace("+psycopg2", "")
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def lines(self, package: str) -> int:
        """The lines of Python of a package."""
        sources = (self.root / package).rglob("*.py")
        return sum(len(path.read_bytes().splitlines()) for path in sources)

    @property
    def _own_environment(self) -> Mapping[str, str]:
        """With what has Python run the tree's code, and coverage.py see a line again in a part."""
        return {**self.environment, "PYTHONPATH": str(self.root), "COVERAGE_CORE": "ctrace"}

    def _finish(self, process: Sequence[str]) -> None:
        ended = subprocess.run(
            process,
            cwd=self.root,
            env=self._own_environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise SystemExit(f"{ended.stdout}failed in {self.root}: {' '.join(process)}")


@dataclass(frozen=True, kw_only=True)
class CoveredWorker:
    """A worker that can be told that another part of its life begins."""

    tree: Tree
    process: subprocess.Popen[bytes]
    data_file: Path

    def begin(self, part: str) -> None:
        """Begin a part; returns when it has begun."""
        assert self.process.stdin is not None
        self.process.stdin.write(part.encode())
        self.process.stdin.flush()
        self._wait_for(_begun(self.data_file, part).exists, f"the worker begins {part!r}")

    def wait_until_enriched(self, record_id: str) -> None:
        """Wait for a row of the record."""
        query = "SELECT 1 FROM enrichment WHERE record_id = %s"
        self._wait_for(
            lambda: bool(self.tree.query(query, (record_id,))), f"{record_id} is enriched"
        )

    def passages(self, part: str) -> frozenset[str]:
        """The files that ran in a part which has ended."""
        return passages(self.data_file, self.tree.root, part=part)

    def _wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"waited in vain until {what}; the worker's log may say why")
            time.sleep(POLL_SECONDS)


def passages(data_file: Path, root: Path, *, part: str | None = None) -> frozenset[str]:
    """The files of a tree that a process, or one part of its life, ran through."""
    data = CoverageData(str(data_file))
    data.read()
    if part is not None:
        data.set_query_context(part)
    return frozenset(
        str(Path(name).relative_to(root))
        for name in data.measured_files()
        if not _lines_in_functions(Path(name)).isdisjoint(data.lines(name) or ())
    )


def _lines_in_functions(path: Path) -> set[int]:
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {line for function in functions for line in _body(function)}


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> range:
    """The lines that run when a function is called, and not when it is defined."""
    returns = [function.returns] if function.returns else []
    header = [node for part in (function.args, *returns) for node in ast.walk(part)]
    ends = [node.end_lineno or 0 for node in header if isinstance(node, ast.expr | ast.arg)]
    first = max(function.body[0].lineno, 1 + max([function.lineno, *ends]))
    return range(first, (function.end_lineno or first) + 1)


def _covered(data_file: Path, command: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", __file__, str(data_file), *command]


def _begun(data_file: Path, part: str) -> Path:
    """The file that says that a part has begun."""
    return data_file.with_name(f"{data_file.name}.{part}")


def _run_covered() -> None:
    """Run the command of this process; what ran is in the data file when it ends."""
    data_file, command, *arguments = sys.argv[1:]
    root = Path.cwd()
    sources = [f"{root / package}/**/*.py" for package in PACKAGES]
    coverage = Coverage(data_file, config_file=False, concurrency="thread", include=sources)
    threading.Thread(target=_follow, args=(coverage, Path(data_file)), daemon=True).start()
    coverage.start()
    try:
        cli = importlib.import_module(f"{command}.cli")
        if not Path(str(cli.__file__)).is_relative_to(root):
            sys.exit(f"{cli.__file__} would run, which is not in {root}")
        sys.argv = [command, *arguments]
        cli.main()
    finally:
        coverage.stop()
        coverage.save()


def _follow(coverage: Coverage, data_file: Path) -> None:
    """Begin the parts that standard input names, until it is closed.

    This reads from the descriptor: `sys.stdin` would hold a lock when the interpreter ends.
    """
    while part := os.read(0, LONGEST_NAME).decode():
        coverage.switch_context(part)  # what ran before is now in the data file
        _begun(data_file, part).touch()


if __name__ == "__main__":
    _run_covered()
