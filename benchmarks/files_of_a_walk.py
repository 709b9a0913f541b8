"""How many source files a record and a training run through, against the tree before.

    python -m benchmarks.files_of_a_walk [--before COMMIT]

- record: from `worker enqueue` to its row in `enrichment`. The worker is warm from another record;
  what it runs from then on counts, and all that `worker enqueue` runs. The store does not know the
  record: the sandbox's API is asked, and the picture comes over HTTP.
- training: from `trainer train` to `report.html`, on a dataset of the store, in one process.

A file of the towers counts where a line in the body of a function ran: an import alone is no
passage. Each tree has a Postgres, a Valkey and a sandbox to itself, and all its commands run on its
own code. The lists of files are on standard error. pip install '.[benchmarks]' for coverage.py.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from benchmarks.parts.covered_tree import PACKAGES, Tree
from benchmarks.parts.report import at_most, finish
from benchmarks.parts.worktree import REPOSITORY, worktree
from deploy.local import Services, local_services
from deploy.sandbox.catalogue import Catalogue
from deploy.sandbox.server import Sandbox

BEFORE = "87b4a29"
NAME = "walk"  # of the dataset, the experiment and the model
PER_CATEGORY = "16"  # records to train on
TRAINING = (
    *("--arch", "resnet18", "--input-size", "32", "--batch-size", "16"),
    *("--folds", "2", "--epochs", "2"),
)
PRECISION = "0.01"  # so low that the model says something of nearly every picture


@dataclass(frozen=True, kw_only=True)
class Walk:
    """The files of a tree that a record and a training ran through, and the lines of its towers."""

    record: frozenset[str]
    training: frozenset[str]
    lines: Mapping[str, int]


def main(
    tree: Annotated[Path, typer.Argument(hidden=True)] = REPOSITORY,
    before: Annotated[
        str, typer.Option(metavar="COMMIT", help="Or the folder of a tree.")
    ] = BEFORE,
) -> None:
    """Count and report."""
    with _tree_before(before) as root:
        walk_before = walk(root)
    walk_now = walk(tree.resolve())
    _report(walk_before, walk_now)


@contextmanager
def _tree_before(before: str) -> Iterator[Path]:
    """A folder as it is, or a commit in a temporary worktree."""
    if Path(before).is_dir():
        yield Path(before).resolve()
        return
    with worktree(before) as root:
        yield root


def walk(root: Path) -> Walk:
    """Walk the path of the demo, on a small scale."""
    sys.stderr.write(f"walking through {root}\n")
    with (
        tempfile.TemporaryDirectory(prefix="walk-") as folder,
        local_services() as services,
        Sandbox() as sandbox,
    ):
        environment = _environment(Path(folder), services, sandbox)
        tree = Tree(root=root, folder=Path(folder), environment=environment)
        tree.migrate()
        tree.run("harvester", "records", "--dataset", NAME, "--n", PER_CATEGORY)
        tree.run("harvester", "images", "--dataset", NAME)
        training = _train(tree)
        record = _enrich(tree, sandbox.catalogue)
    lines = {package: tree.lines(package) for package in PACKAGES}
    return Walk(record=record, training=training, lines=lines)


def _environment(folder: Path, services: Services, sandbox: Sandbox) -> Mapping[str, str]:
    return os.environ | {
        "DATABASE_URL": services.database_url,
        "BROKER_URL": services.broker_url,
        "EUROPEANA_API_URL": sandbox.url,
        "EUROPEANA_API_KEY": sandbox.key,
        "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
        "FETCH_REQUESTS_PER_SECOND": "100",
        "IMAGE_DIR": str(folder / "images"),
        "EXPERIMENT_DIR": str(folder / "experiments"),
        "MODEL_DIR": str(folder / "models"),
        "WORKER_RUNTIME": "torch",
        "WORKER_ASK_SECONDS": "0.5",
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that wait for each other sleep
    }


def _train(tree: Tree) -> frozenset[str]:
    """Train, and put the model in service; the files of the training."""
    files = tree.run("trainer", "train", "--dataset", NAME, "--experiment-name", NAME, *TRAINING)
    if not (tree.folder / "experiments" / NAME / "report.html").is_file():
        raise SystemExit("the training made no report.html")
    tree.run("trainer", "promote", NAME, "--precision", PRECISION)
    tree.run("trainer", "models", "activate", NAME)  # a commit before may have no --activate
    return files


def _enrich(tree: Tree, catalogue: Catalogue) -> frozenset[str]:
    """Have a warm worker enrich a record; the files that it went through."""
    warm_up, record, *_ = _unknown_records(tree, catalogue)
    with tree.worker() as worker:
        _enqueue(tree, warm_up)
        worker.wait_until_enriched(warm_up)
        worker.begin("record")
        files = _enqueue(tree, record)
        worker.wait_until_enriched(record)
        worker.begin("end")
        return files | worker.passages("record")


def _unknown_records(tree: Tree, catalogue: Catalogue) -> list[str]:
    """Records that nothing is wrong with and that the store does not have."""
    known = {record_id for (record_id,) in tree.query("SELECT id FROM record")}
    return [
        item.id
        for item in catalogue.items
        if item.type == "IMAGE" and item.shown_by and item.thumbnail
        if item.id not in known and item.id not in catalogue.broken
    ]


def _enqueue(tree: Tree, record_id: str) -> frozenset[str]:
    """Make a job of one record; the files that this ran through."""
    path = tree.folder / "record_ids.txt"
    path.write_text(f"{record_id}\n", encoding="utf-8")
    return tree.run("worker", "enqueue", str(path), "--picture", "auto")


def _report(before: Walk, now: Walk) -> NoReturn:
    walks = {"before": before, "now": now}
    for when, each in walks.items():
        _list(f"a record, {when}", each.record)
        _list(f"a training, {when}", each.training)
    lines = {
        f"{package}_lines_{when}": each.lines[package]
        for package in PACKAGES
        for when, each in walks.items()
    }
    figures = {
        "record_files_before": len(before.record),
        "record_files": len(now.record),
        "files_of_a_record_ratio": round(len(now.record) / len(before.record), 3),
        "training_files_before": len(before.training),
        "training_files": len(now.training),
        "files_of_a_training_ratio": round(len(now.training) / len(before.training), 3),
    }
    finish(
        figures={**figures, **lines},
        bars={"files_of_a_record_ratio": at_most(0.5), "files_of_a_training_ratio": at_most(0.5)},
    )


def _list(title: str, files: frozenset[str]) -> None:
    names = "".join(f"  {name}\n" for name in sorted(files))
    sys.stderr.write(f"\n{title}: {len(files)} files\n{names}")


if __name__ == "__main__":
    typer.run(main)
