"""Enrichments into Postgres: our upsert against psycopg2's execute_values and SQLAlchemy's ORM.

    python -m benchmarks.enrichment_writes [--rows 10240] [--rounds 5]

Twice into a local Postgres: rows that are new, then the same rows again, of which every second has
another confidence and so changes. The ways take turns; figures are medians. Twice again: in
transactions of one chunk, as a worker writes them, and all in one transaction. The peers have their
best settings: execute_values pages of 1,000 rows, the ORM one query for the rows that are there, so
that the others are `add_all`, and one flush; its own upsert, `merge`, asks for each row by itself.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any, cast
from uuid import UUID

import psycopg2.extensions
import typer
from psycopg2.extras import execute_values
from sqlalchemy import Connection, Engine, create_engine, select, text
from sqlalchemy.orm import Session

from benchmarks.report import at_least, finish
from common.store.bulk import upsert
from common.store.tables import Base, Enrichment
from deploy.local import local_services
from worker.chunks import CHUNK_SIZE

KEY = ("record_id", "concept_uri", "model_id")
CHANGING = ("confidence", "source", "image_url", "job_id")
COLUMNS = KEY + CHANGING
PAGE = 1000  # rows a statement of execute_values: more gained nothing
CONCEPTS = [f"http://data.europeana.eu/concept/{number}" for number in range(20)]

Rows = Sequence[tuple[Any, ...]]
Way = Callable[[Engine, Rows], None]


@dataclass(frozen=True)
class Work:
    """What is written: rows that are new, and then the same, half of them changed."""

    new: Rows
    again: Rows

    def parts(self, size: int) -> Iterator["Work"]:
        """The work in transactions of so many rows."""
        for start in range(0, len(self.new), size):
            yield Work(self.new[start : start + size], self.again[start : start + size])


def with_ours(engine: Engine, rows: Rows) -> None:
    """`upsert`, as the worker calls it when it finishes a chunk."""
    with engine.begin() as connection:
        upsert(connection, Enrichment.__table__, COLUMNS, rows, update=CHANGING)


def with_execute_values(engine: Engine, rows: Rows) -> None:
    """The same upsert in statements of many rows."""
    updates = ", ".join(f"{column} = excluded.{column}" for column in CHANGING)
    old = ", ".join(f"enrichment.{column}" for column in CHANGING)
    new = ", ".join(f"excluded.{column}" for column in CHANGING)
    statement = (
        f"INSERT INTO enrichment ({', '.join(COLUMNS)}) VALUES %s "
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {updates} "
        f"WHERE ({old}) IS DISTINCT FROM ({new})"
    )
    with engine.begin() as connection:
        driver = cast("psycopg2.extensions.connection", connection.connection.driver_connection)
        with driver.cursor() as cursor:
            execute_values(cursor, statement, rows, page_size=PAGE)


def with_orm(engine: Engine, rows: Rows) -> None:
    """One object a row: those that are there changed, the others added, one flush."""
    with Session(engine) as session:
        ids = [row[0] for row in rows]
        there = session.scalars(select(Enrichment).where(Enrichment.record_id.in_(ids)))
        by_key = {(each.record_id, each.concept_uri, each.model_id): each for each in there}
        for row in rows:
            values = dict(zip(COLUMNS, row, strict=True)) | {"job_id": UUID(row[-1])}
            if found := by_key.get(row[:3]):
                for column in CHANGING:
                    setattr(found, column, values[column])
            else:
                session.add(Enrichment(**values))
        session.commit()


WAYS: dict[str, Way] = {
    "ours": with_ours,
    "execute_values": with_execute_values,
    "orm": with_orm,
}


def prepared(connection: Connection, rows: int) -> Work:
    """Records, concepts, a model and a job in the store, and enrichments as long as real ones."""
    connection.execute(
        text("INSERT INTO concept (uri, label) SELECT uri, uri FROM unnest(:uris) AS uri"),
        {"uris": CONCEPTS},
    )
    ids = [f"/{number % 2000 + 1}/object_of_the_museum_{number:08d}" for number in range(rows)]
    connection.execute(text("INSERT INTO record (id) SELECT unnest(:ids)"), {"ids": ids})
    model_id = connection.execute(
        text(
            "INSERT INTO model (name, version, path, sha256, labels, thresholds) "
            "VALUES ('m', 1, 'm', repeat('0', 64), '{}', '{}') RETURNING id"
        )
    ).scalar_one()
    job_id = connection.execute(
        text("INSERT INTO job (model_id) VALUES (:model_id) RETURNING id"), {"model_id": model_id}
    ).scalar_one()
    given = [_row(number, each, model_id, str(job_id)) for number, each in enumerate(ids)]
    again = [(*row[:3], 0.5, *row[4:]) if number % 2 else row for number, row in enumerate(given)]
    return Work(given, again)


def _row(number: int, record_id: str, model_id: int, job_id: str) -> tuple[Any, ...]:
    concept = CONCEPTS[number % len(CONCEPTS)]
    url = f"https://museum.example/iiif/3/public/collections{record_id}/full/max/0/default.jpg"
    return (record_id, concept, model_id, 0.6 + number % 4001 / 1e4, "media", url, job_id)


def measure(
    engine: Engine, transactions: Sequence[Work], rounds: int
) -> dict[str, dict[str, float]]:
    """Median seconds of each way, for new rows and for the same again."""
    taken: dict[str, dict[str, list[float]]] = {"new": {}, "again": {}}
    for _ in range(rounds):
        for name, way in WAYS.items():
            with engine.begin() as connection:
                connection.exec_driver_sql("TRUNCATE enrichment")
            new = _seconds(way, engine, [each.new for each in transactions])
            taken["new"].setdefault(name, []).append(new)
            again = _seconds(way, engine, [each.again for each in transactions])
            taken["again"].setdefault(name, []).append(again)
    return {
        kind: {name: median(seconds) for name, seconds in each.items()}
        for kind, each in taken.items()
    }


def _seconds(way: Way, engine: Engine, transactions: Sequence[Rows]) -> float:
    started = time.perf_counter()
    for rows in transactions:
        way(engine, rows)
    return time.perf_counter() - started


def compared(medians: dict[str, dict[str, float]], rows: int, suffix: str) -> dict[str, float]:
    """Rates, and how many times as fast as each peer we are."""
    found: dict[str, float] = {}
    for kind, seconds in medians.items():
        for name, each in seconds.items():
            found[f"{name}_{kind}{suffix}_rows_per_second"] = round(rows / each)
            if name != "ours":
                found[f"times_{name}_{kind}{suffix}"] = round(each / seconds["ours"], 2)
    return found


def main(
    rows: Annotated[int, typer.Option(min=2_560)] = 10_240,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Measure and report."""
    with local_services() as services:
        engine = create_engine(services.database_url)
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            work = prepared(connection, rows)
        chunks = list(work.parts(CHUNK_SIZE))
        measure(engine, chunks[:2], 1)  # connections, compiled statements, pages of the table
        by_chunk = compared(measure(engine, chunks, rounds), rows, "_by_chunk")
        whole = compared(measure(engine, [work], rounds), rows, "")
        engine.dispose()
    finish(
        figures={"rows": rows, "rounds": rounds, "rows_a_chunk": CHUNK_SIZE, **by_chunk, **whole},
        bars={
            f"times_{peer}_{kind}{suffix}": bar
            for peer, bar in {"execute_values": at_least(1.5), "orm": at_least(8)}.items()
            for kind in ("new", "again")
            for suffix in ("_by_chunk", "")
        },
    )


if __name__ == "__main__":
    typer.run(main)
