"""A harvest of 100,000 records that is killed five times, against one that is not.

    python -m benchmarks.harvest_resume [--records 100000] [--kills 5] [--seed 1]

Both run `harvester records` against one sandbox process with 100 ms latency and 3 % faults, each
into its own database. In the end both must have exactly the same content. One gets `kill -9` at
random numbers of records. The figures are the time of each, and the peak memory.
"""

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psycopg2
import typer
from sqlalchemy import create_engine, text

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import migrate, program, sandbox_process
from deploy.local import Postgres, local_services
from deploy.sandbox.collection import CATEGORIES

FAULTS = {"api": [{"kind": "status", "status": 503, "probability": 0.03, "first": 1}]}
LOOKS_PER_SECOND = 50  # counts of the records, to kill at the right one
MOST_MEMORY = 250  # MiB; a harvest holds pages, not records
CONTENTS = (
    "SELECT id, media_url, preview_url, rights, data_provider, type, title FROM record",
    "SELECT record_id, concept_uri, source FROM dataset_item",
    "SELECT concept_uri, taken FROM harvest_cursor",
)


@dataclass(frozen=True)
class HarvestEnded:
    """A process that ended or was killed."""

    seconds: float
    peak_mib: float
    killed: bool


class Harvest:
    """The command with its own database; every start continues where the last one ended."""

    def __init__(self, folder: Path, database_url: str, records: int) -> None:
        self._folder = folder
        self._environment = os.environ | {"DATABASE_URL": database_url}
        self._target = str(records)
        self.engine = create_engine(database_url)
        migrate(database_url)

    def run(self, *, kill_at: int | None = None) -> HarvestEnded:
        """Run to the end, or until there are `kill_at` records."""
        started = time.monotonic()
        process = subprocess.Popen(
            program("harvester", "records", "--dataset", "all", "--n", self._target),
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
        )
        while kill_at is not None and process.poll() is None:
            if self.count() >= kill_at:
                process.kill()
                break
            time.sleep(1 / LOOKS_PER_SECOND)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, -9):
            raise RuntimeError(f"the harvest ended with {process.returncode}")
        return HarvestEnded(
            time.monotonic() - started, usage.ru_maxrss / 1024, process.returncode == -9
        )

    def count(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM record")).scalar_one())

    def contents(self) -> list[set[tuple[object, ...]]]:
        """The content that must be the same for both harvests."""
        with self.engine.connect() as connection:
            return [set(map(tuple, connection.execute(text(query)))) for query in CONTENTS]


def databases(postgres: Postgres, names: Sequence[str]) -> list[str]:
    """The URLs of new databases."""
    with closing(psycopg2.connect(postgres.url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        for name in names:
            connection.cursor().execute(f"CREATE DATABASE {name}")
    return [postgres.database_url(name) for name in names]


def compare(folder: Path, urls: Sequence[str], *, records: int, kill_at: Sequence[int]) -> None:
    vocabulary = {name: category.concept for name, category in CATEGORIES.items()}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    undisturbed, killed = (Harvest(folder, url, records) for url in urls)
    whole = undisturbed.run()
    parts = [killed.run(kill_at=count) for count in kill_at] + [killed.run()]
    same = undisturbed.contents() == killed.contents()
    count = undisturbed.count()
    for each in (undisturbed, killed):
        each.engine.dispose()
    finish(
        figures={
            "records": count,
            "kills": sum(part.killed for part in parts),
            "killed_at": list(kill_at),
            "same_contents": int(same),
            "undisturbed_seconds": round(whole.seconds, 1),
            "records_per_second": round(count / whole.seconds),
            "killed_seconds": round(sum(part.seconds for part in parts), 1),
            "peak_mib": round(max(part.peak_mib for part in (whole, *parts)), 1),
        },
        bars={
            "same_contents": at_least(1),
            "kills": at_least(len(kill_at)),
            "records": at_least(records * 0.99),  # some of the collection are not images
            "peak_mib": at_most(MOST_MEMORY),
        },
    )


def main(
    records: Annotated[int, typer.Option(min=1000)] = 100_000,
    kills: Annotated[int, typer.Option(min=1)] = 5,
    seed: Annotated[
        int, typer.Option(help="Seed of the numbers of records at which it is killed.")
    ] = 1,
) -> None:
    kill_at = sorted(random.Random(seed).sample(range(records // 50, records * 9 // 10), kills))
    with (
        tempfile.TemporaryDirectory() as name,
        local_services() as services,
        sandbox_process(Path(name), "--items", str(records), faults=FAULTS) as (_, environment),
    ):
        os.environ.update(environment)
        urls = databases(services.postgres, ["undisturbed", "killed"])
        compare(Path(name), urls, records=records, kill_at=kill_at)


if __name__ == "__main__":
    typer.run(main)
