"""Publishing: the rate under a limit, memory without one, and a plan over a million enrichments.

    python -m benchmarks.publish [--enrichments 1000000] [--statements 100000] [--limited 300]

- plan: a million enrichments, a fifth of which have a certificate of the precision that is asked
  for; how long `make_plan` takes.
- limited: `publisher send` of 300 statements against the sandbox, 100 ms latency on every answer,
  at most 10 requests a second: published in a second, and the most requests that the sandbox
  counted in any second.
- memory: `publisher send` of 100,000 statements without latency and with a limit of 1,000 a second:
  its memory after nine tenths of them, against that after one tenth.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated
from urllib.request import urlopen

import psutil
import typer
from sqlalchemy import Engine, text

from benchmarks.parts.report import at_least, at_most, finish
from benchmarks.parts.services import LATENCY, program, running, sandbox_process, store_and_broker
from common.publishing.plans import ask_for, make_plan

CONCEPT = "http://data.europeana.eu/concept/48"
MUSEUM = "City Museum"
SHARE = 5  # of so many enrichments one has a certificate
LIMIT = 10  # requests a second
WITHOUT_LIMIT = 1_000  # requests a second, more than a machine makes
LOOK_EVERY = 0.2  # seconds

_PEOPLE = """
    INSERT INTO desk_user (id, name, role) VALUES (1, 'operator', 'operator');
    INSERT INTO concept (uri, label) VALUES (:concept, 'map');
    INSERT INTO model (id, name, version, path, sha256, labels, thresholds)
    VALUES (1, 'maps', 1, 'maps-1', repeat('0', 64), '{}', '{}');
    INSERT INTO job (id, model_id, routes, picture, priority, total)
    VALUES (gen_random_uuid(), 1, '{}', 'auto', 'bulk', 0);
    INSERT INTO decision (decided, data_provider, reason, decided_by)
    VALUES ('consented', :museum, 'they agreed', 1)
"""
_RECORDS = """
    INSERT INTO record (id, data_provider)
    SELECT '/91001/item_' || lpad(CAST(number AS text), 7, '0'), :museum
    FROM generate_series(0, :number - 1) AS number
"""
_ENRICHMENTS = """
    INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source, image_url, job_id)
    SELECT 1, record.id, :concept, 0.9, 'media', 'https://museum.example/a.jpg', job.id
    FROM record CROSS JOIN job
"""
_CERTIFICATE = """
    WITH audit AS (
        INSERT INTO audit (state, model_id, thresholds, rows, sample, attempt, error, drawn_by,
                           right_ones, precision, ended_at)
        VALUES ('closed', 1, '{}', :certified, 1, 1, 0.025, 1, 1, 0.97, clock_timestamp())
        RETURNING id
    ), listed AS (SELECT id, row_number() OVER () AS place FROM record ORDER BY id LIMIT :certified)
    INSERT INTO audit_block (audit_id, number, concept_uri, record_ids)
    SELECT audit.id, place / 5000, :concept, array_agg(listed.id)
    FROM audit CROSS JOIN listed GROUP BY audit.id, place / 5000
"""
_POSTED = text("""
    SELECT count(*) AS number,
           CAST(extract(epoch FROM max(posted_at) - min(sent_at)) AS float8) AS seconds
    FROM publication WHERE state = 'posted'
""")


def fill(engine: Engine, *, enrichments: int, certified: int) -> None:
    """Records of one museum, an enrichment of each, and a certificate of some of them."""
    given = {"concept": CONCEPT, "museum": MUSEUM, "number": enrichments, "certified": certified}
    with engine.begin() as connection:
        for statement in (_PEOPLE, _RECORDS, _ENRICHMENTS, _CERTIFICATE):
            connection.execute(text(statement), given)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def plan_of(enrichments: int) -> float:
    """Seconds of a plan over so many enrichments."""
    with store_and_broker() as engine:
        fill(engine, enrichments=enrichments, certified=enrichments // SHARE)
        began = time.monotonic()
        make_plan(engine)
        return time.monotonic() - began


def send(folder: Path, *, statements: int, rate: int, latency: float) -> dict[str, float]:
    """What `publisher send` does with so many statements: rate, worst second, and memory."""
    with store_and_broker() as engine:
        fill(engine, enrichments=statements, certified=statements)
        plan = make_plan(engine)
        ask_for(engine, plan)
        with engine.begin() as connection:  # the sandbox knows none of the records
            connection.execute(text("UPDATE publication_plan SET checked_at = now()"))
        with sandbox_process(folder, "--items", "10", faults={}, latency=latency) as (_, variables):
            settings = variables | {"PUBLISH_PER_SECOND": str(rate)}
            with running(program("publisher", "send", str(plan)), settings) as process:
                memory = memory_of(engine, process, statements)
            with engine.connect() as connection:
                posted = connection.execute(_POSTED).one()
            url = f"{variables['EUROPEANA_API_URL']}/sandbox/annotations"
            with urlopen(url, timeout=60) as answer:
                seen = json.load(answer)
    assert posted.number == len(seen["annotations"]) == statements, posted
    return {
        "a_second": statements / posted.seconds,
        "worst_second": seen["worst_second"],
        "memory_ratio": memory,
    }


def memory_of(engine: Engine, process: psutil.Process, statements: int) -> float:
    """A process's memory when nine tenths are posted, against one tenth; waits until it ends."""
    taken: list[int] = []
    for share in (0.1, 0.9):
        while posted_so_far(engine) < share * statements and process.is_running():
            time.sleep(LOOK_EVERY)
        taken.append(process.memory_info().rss)
    process.wait()
    return taken[1] / taken[0]


def posted_so_far(engine: Engine) -> int:
    """How many statements stand."""
    with engine.connect() as connection:
        return int(connection.execute(_POSTED).one().number)


def main(
    enrichments: Annotated[int, typer.Option(min=10)] = 1_000_000,
    statements: Annotated[int, typer.Option(min=10)] = 100_000,
    limited: Annotated[int, typer.Option(min=10)] = 300,
) -> None:
    """Measure and print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slow = send(folder, statements=limited, rate=LIMIT, latency=LATENCY)
        fast = send(folder, statements=statements, rate=WITHOUT_LIMIT, latency=0)
    finish(
        figures={
            "published_a_second": round(slow["a_second"], 2),
            "worst_second": slow["worst_second"],
            "unlimited_a_second": round(fast["a_second"]),
            "memory_ratio": round(fast["memory_ratio"], 3),
            "plan_seconds": round(plan_of(enrichments), 1),
        },
        bars={
            "published_a_second": at_least(9),
            "worst_second": at_most(LIMIT),
            "memory_ratio": at_most(1.1),
            "plan_seconds": at_most(20),
        },
    )


if __name__ == "__main__":
    typer.run(main)
