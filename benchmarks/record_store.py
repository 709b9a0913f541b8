"""Records into Postgres: our upsert against SQLAlchemy's add_all and psycopg2's execute_values.

    python -m benchmarks.record_store [--rows 30000] [--rounds 5]

The same records go into an empty table of a local Postgres, each way in one transaction, the ways
taking turns; figures are medians. The peers have their best settings: one flush for all objects,
pages of 1,000 rows. A second figure of ours is the same records again, which changes nothing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Annotated, cast

import psycopg2.extensions
import typer
from psycopg2.extras import execute_values
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from benchmarks.parts.report import at_least, finish
from common.europeana.metadata import RecordMetadata
from common.store.records import save_records
from common.store.tables import Base, Record
from deploy.local import local_services
from deploy.sandbox.collection import draw_collection

COLUMNS = ("id", "media_url", "preview_url", "rights", "data_provider", "type", "title")
PAGE = 1000  # rows a statement of execute_values: more gained nothing

Way = Callable[[Engine, Sequence[RecordMetadata]], None]


def records(count: int) -> Iterator[RecordMetadata]:
    """Records as long as those of real harvests, media URLs above all."""
    for item in draw_collection(items=count).items:
        media = f"https://{item.host}/iiif/3/public/collections{item.id}/full/max/0/default.jpg"
        yield RecordMetadata(
            id=item.id,
            media_url=media,
            preview_url=f"https://api.europeana.eu/thumbnail/v2/url.json?uri={media}&type=IMAGE",
            rights=item.rights,
            data_provider=item.data_provider,
            type=item.type,
            title=item.title["fr"][0],
        )


def with_ours(engine: Engine, given: Sequence[RecordMetadata]) -> None:
    """`save_records`, as the harvester and the worker call it."""
    with engine.begin() as connection:
        save_records(connection, given)


def with_add_all(engine: Engine, given: Sequence[RecordMetadata]) -> None:
    """One object a row, one flush; inserts only."""
    with Session(engine) as session:
        session.add_all([Record(**_row(record)) for record in given])
        session.commit()


def with_execute_values(engine: Engine, given: Sequence[RecordMetadata]) -> None:
    """The same upsert in statements of many rows."""
    updates = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS[1:])
    old = ", ".join(f"record.{column}" for column in COLUMNS[1:])
    new = ", ".join(f"excluded.{column}" for column in COLUMNS[1:])
    statement = (
        f"INSERT INTO record ({', '.join(COLUMNS)}) VALUES %s ON CONFLICT (id) DO UPDATE "
        f"SET {updates} WHERE ({old}) IS DISTINCT FROM ({new})"
    )
    rows = [tuple(_row(record).values()) for record in given]
    with engine.begin() as connection:
        driver = cast("psycopg2.extensions.connection", connection.connection.driver_connection)
        with driver.cursor() as cursor:
            execute_values(cursor, statement, rows, page_size=PAGE)


def _row(record: RecordMetadata) -> dict[str, str | None]:
    return {column: getattr(record, column) for column in COLUMNS}


WAYS: dict[str, Way] = {
    "ours": with_ours,
    "add_all": with_add_all,
    "execute_values": with_execute_values,
}


def seconds(way: Way, engine: Engine, given: Sequence[RecordMetadata]) -> float:
    """How long a way takes, from the records to the commit."""
    started = time.perf_counter()
    way(engine, given)
    return time.perf_counter() - started


def measure(engine: Engine, given: Sequence[RecordMetadata], rounds: int) -> dict[str, float]:
    """Median seconds of each way into an empty table, and of ours into one that has it all."""
    taken: dict[str, list[float]] = {name: [] for name in (*WAYS, "ours_again")}
    for _ in range(rounds):
        for name, way in WAYS.items():
            with engine.begin() as connection:
                connection.exec_driver_sql("TRUNCATE record CASCADE")
            taken[name].append(seconds(way, engine, given))
            if way is with_ours:
                taken["ours_again"].append(seconds(way, engine, given))
    return {name: median(each) for name, each in taken.items()}


def main(
    rows: Annotated[int, typer.Option(min=20_000)] = 30_000,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Measure and report."""
    given = list(records(rows))
    with local_services() as services:
        engine = create_engine(services.database_url)
        Base.metadata.create_all(engine)
        for way in WAYS.values():  # connections, compiled statements, a table that has its pages
            with engine.begin() as connection:
                connection.exec_driver_sql("TRUNCATE record CASCADE")
            way(engine, given[:1000])
        medians = measure(engine, given, rounds)
        engine.dispose()
    finish(
        figures={
            "rows": rows,
            "rounds": rounds,
            **{f"{name}_rows_per_second": round(rows / each) for name, each in medians.items()},
            "times_add_all": round(medians["add_all"] / medians["ours"], 2),
            "times_execute_values": round(medians["execute_values"] / medians["ours"], 2),
        },
        bars={"times_add_all": at_least(8), "times_execute_values": at_least(1.5)},
    )


if __name__ == "__main__":
    typer.run(main)
