"""Enrichments into Postgres: ours against psycopg2's execute_values and SQLAlchemy's ORM.

    python -m benchmarks.enrichment_writes [--rows 10240] [--rounds 5]

Twice into a local Postgres that holds 50,000 enrichments of another model: rows that are new, then
the same again, of which every second has another confidence and so changes. The ways take turns,
transaction by transaction; figures are medians of rounds. Twice again:

- by chunk, as a worker writes: a transaction for 256 records, after which the store holds what the
  model says of them now and nothing else. Each way does all of that;
- in bulk: one upsert of all rows in one transaction.

The peers have their best settings. execute_values: pages of 1,000 rows, and by chunk one DELETE of
what is said no more. The ORM: one query for the rows that are there, so that they are changed and
the others are `add_all`, and one flush; its own upsert, `merge`, asks for each row by itself. The
table is the same for all: the triggers in place of its foreign keys help the peers as well. Against
the ORM by chunk there is no bar: what each transaction costs all of them leaves about six times.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import attrgetter
from statistics import median
from typing import Annotated, cast
from uuid import UUID

import psycopg2.extensions
import typer
from psycopg2.extras import execute_values
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.orm import Session

from benchmarks.parts.report import at_least, finish
from common.store.bulk import upsert
from common.store.tables import Base, Enrichment, PictureSource
from deploy.local import local_services
from worker.ledger.cutting import CHUNK_SIZE
from worker.ledger.enrichments import RecordPrediction, replace_enrichments

KEY = ("record_id", "concept_uri", "model_id")
FOUND = ("confidence", "source", "image_url")
COLUMNS = ("record_id", "concept_uri", *FOUND, "seen_at", "model_id", "job_id")
PREDICTED = attrgetter(*COLUMNS[:6])
OTHERS = 50_000  # rows that are there before
SEEN_AT = datetime(2026, 11, 25, tzinfo=UTC)
PAGE = 1000  # rows a statement of execute_values: more gained nothing
CONCEPTS = [f"http://data.europeana.eu/concept/{number}" for number in range(20)]


@dataclass(frozen=True)
class WriteWork:
    """Predictions of a model for a job: new ones, and then the same, half of them changed."""

    model_id: int
    job_id: UUID
    new: Sequence[RecordPrediction]
    again: Sequence[RecordPrediction]

    def parts(self, size: int) -> Iterator["WriteWork"]:
        """The work in transactions of so many records."""
        for start in range(0, len(self.new), size):
            part = slice(start, start + size)
            yield replace(self, new=self.new[part], again=self.again[part])

    def rows(self, said: Sequence[RecordPrediction]) -> Iterator[tuple[object, ...]]:
        """Predictions as rows of COLUMNS."""
        found_by = (self.model_id, str(self.job_id))
        return (PREDICTED(each) + found_by for each in said)


Way = Callable[[Engine, WriteWork, Sequence[RecordPrediction]], None]


def replace_ours(engine: Engine, work: WriteWork, said: Sequence[RecordPrediction]) -> None:
    """As the worker does when it finishes a chunk."""
    with engine.begin() as connection:
        replace_enrichments(
            connection,
            model_id=work.model_id,
            job_id=work.job_id,
            record_ids=[each.record_id for each in said],
            predictions=said,
        )


def upsert_ours(engine: Engine, work: WriteWork, said: Sequence[RecordPrediction]) -> None:
    """The way of all bulk writes."""
    with engine.begin() as connection:
        upsert(connection, Enrichment.__table__, COLUMNS, work.rows(said), update=FOUND)


_FORGET = """
    DELETE FROM enrichment WHERE model_id = %s AND record_id = ANY(%s)
    AND (record_id, concept_uri) NOT IN (SELECT * FROM unnest(%s, %s))
"""
_UPSERT = (
    f"INSERT INTO enrichment ({', '.join(COLUMNS)}) VALUES %s ON CONFLICT ({', '.join(KEY)}) "
    f"DO UPDATE SET {', '.join(f'{each} = excluded.{each}' for each in FOUND)} "
    f"WHERE ({', '.join(f'enrichment.{each}' for each in FOUND)}) "
    f"IS DISTINCT FROM ({', '.join(f'excluded.{each}' for each in FOUND)})"
)


def replace_with_execute_values(
    engine: Engine, work: WriteWork, said: Sequence[RecordPrediction]
) -> None:
    """Delete what is said no more, then the upsert."""
    record_ids, concepts = [each.record_id for each in said], [each.concept_uri for each in said]
    with engine.begin() as connection:
        driver = cast("psycopg2.extensions.connection", connection.connection.driver_connection)
        with driver.cursor() as cursor:
            cursor.execute(_FORGET, (work.model_id, record_ids, record_ids, concepts))
            execute_values(cursor, _UPSERT, work.rows(said), page_size=PAGE)


def upsert_with_execute_values(
    engine: Engine, work: WriteWork, said: Sequence[RecordPrediction]
) -> None:
    """The same upsert as ours in statements of many rows."""
    with engine.begin() as connection:
        driver = cast("psycopg2.extensions.connection", connection.connection.driver_connection)
        with driver.cursor() as cursor:
            execute_values(cursor, _UPSERT, work.rows(said), page_size=PAGE)


def write_with_orm(engine: Engine, work: WriteWork, said: Sequence[RecordPrediction]) -> None:
    """One object a row: those that are there changed or deleted, the others added, one flush."""
    with Session(engine) as session:
        ids = [each.record_id for each in said]
        query = select(Enrichment).where(
            Enrichment.model_id == work.model_id, Enrichment.record_id.in_(ids)
        )
        there = {(each.record_id, each.concept_uri): each for each in session.scalars(query)}
        new = []
        for each in said:
            if found := there.pop((each.record_id, each.concept_uri), None):
                found.confidence = each.confidence
                found.source = each.source
                found.image_url = each.image_url
            else:
                values = dict(zip(COLUMNS, PREDICTED(each), strict=False))
                new.append(Enrichment(**values, model_id=work.model_id, job_id=work.job_id))
        session.add_all(new)
        for surplus in there.values():
            session.delete(surplus)
        session.commit()


BY_CHUNK: dict[str, Way] = {
    "ours": replace_ours,
    "execute_values": replace_with_execute_values,
    "orm": write_with_orm,
}
IN_BULK: dict[str, Way] = {
    "ours": upsert_ours,
    "execute_values": upsert_with_execute_values,
    "orm": write_with_orm,
}


def prepared(engine: Engine, rows: int) -> WriteWork:
    """Records, concepts, two models and a job in the store, and enrichments of the other model."""
    ids = [f"/{number % 2000 + 1}/object_of_the_museum_{number:08d}" for number in range(rows)]
    given = {"uris": CONCEPTS, "ids": ids, "others": OTHERS}
    with engine.begin() as connection:
        for statement in _PREPARE:
            connection.execute(text(statement), given)
        job = connection.execute(text("SELECT id, model_id FROM job")).one()
    new = [_prediction(number, each) for number, each in enumerate(ids)]
    again = [replace(each, confidence=0.5) if place % 2 else each for place, each in enumerate(new)]
    return WriteWork(job.model_id, job.id, new, again)


_PREPARE = (
    "INSERT INTO concept (uri, label) SELECT uri, uri FROM unnest(:uris) AS uri",
    "INSERT INTO record (id) SELECT unnest(:ids)",
    "INSERT INTO record (id) SELECT '/9999/other_object_' || n FROM generate_series(1, :others) n",
    "INSERT INTO model (name, version, path, sha256, labels, thresholds)"
    " SELECT 'm', n, 'm', repeat(CAST(n AS text), 64), '{}', '{}' FROM generate_series(1, 4) n",
    "INSERT INTO job (model_id) SELECT id FROM model WHERE version = 1",
    f"INSERT INTO enrichment ({', '.join(COLUMNS)})"
    " SELECT record.id, concept.uri, 0.5, 'media', 'https://museum.example' || record.id,"
    "        now(), model.id, job.id FROM record, concept, model, job"
    " WHERE record.id LIKE '/9999/%' AND model.version = 4 AND concept.uri LIKE '%/7'",
)


def _prediction(number: int, record_id: str) -> RecordPrediction:
    return RecordPrediction(
        record_id=record_id,
        concept_uri=CONCEPTS[number % len(CONCEPTS)],
        confidence=0.6 + number % 4001 / 1e4,
        source=PictureSource.MEDIA,
        image_url="https://museum.example/iiif/3/public/collections"
        f"{record_id}/full/max/0/default.jpg",
        seen_at=SEEN_AT,
    )


def measure(
    engine: Engine, ways: dict[str, Way], transactions: Sequence[WriteWork], rounds: int
) -> dict[str, dict[str, float]]:
    """Median seconds of each way, for new rows and for the same again."""
    taken: dict[str, dict[str, list[float]]] = {"new": {}, "again": {}}
    for _ in range(rounds):
        clear(engine)
        for kind, by_way in taken.items():
            for name, seconds in _round(engine, ways, transactions, kind).items():
                by_way.setdefault(name, []).append(seconds)
    return {
        kind: {name: median(seconds) for name, seconds in each.items()}
        for kind, each in taken.items()
    }


def _round(
    engine: Engine, ways: dict[str, Way], transactions: Sequence[WriteWork], kind: str
) -> dict[str, float]:
    """Seconds of each way; they take turns at each transaction, each for a model of its own."""
    seconds = dict.fromkeys(ways, 0.0)
    for work in transactions:
        for model_id, (name, way) in enumerate(ways.items(), start=work.model_id):
            own = replace(work, model_id=model_id)
            started = time.perf_counter()
            way(engine, own, getattr(own, kind))
            seconds[name] += time.perf_counter() - started
    return seconds


def clear(engine: Engine) -> None:
    """Leave what was there before, as a store that is in use has it."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM enrichment WHERE record_id NOT LIKE '/9999/%'"))
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM ANALYZE enrichment, record, concept"))


def compared(medians: dict[str, dict[str, float]], rows: int, suffix: str) -> dict[str, float]:
    """Rates, and how many times as fast as each peer we are."""
    found: dict[str, float] = {}
    for kind, seconds in medians.items():
        for name, each in seconds.items():
            found[f"{name}_{kind}_{suffix}_rows_per_second"] = round(rows / each)
            if name != "ours":
                found[f"times_{name}_{kind}_{suffix}"] = round(each / seconds["ours"], 2)
    return found


def main(
    rows: Annotated[int, typer.Option(min=2_560)] = 10_240,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Measure and report."""
    with local_services() as services:
        engine = create_engine(services.database_url)
        Base.metadata.create_all(engine)
        work = prepared(engine, rows)
        chunks = list(work.parts(CHUNK_SIZE))
        measure(engine, BY_CHUNK, chunks[:2], 1)  # connections, compiled statements, pages
        by_chunk = compared(measure(engine, BY_CHUNK, chunks, rounds), rows, "by_chunk")
        in_bulk = compared(measure(engine, IN_BULK, [work], rounds), rows, "in_bulk")
        engine.dispose()
    finish(
        figures={"rows": rows, "rounds": rounds, "rows_a_chunk": CHUNK_SIZE, **by_chunk, **in_bulk},
        bars={
            "times_execute_values_new_by_chunk": at_least(1.5),
            "times_execute_values_again_by_chunk": at_least(1.5),
            "times_execute_values_new_in_bulk": at_least(1.5),
            "times_execute_values_again_in_bulk": at_least(1.5),
            "times_orm_new_in_bulk": at_least(8),
            "times_orm_again_in_bulk": at_least(8),
        },
    )


if __name__ == "__main__":
    typer.run(main)
