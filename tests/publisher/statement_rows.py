"""Rows of the store that tests of publishing need: enrichments, certificates, consents."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from tests.common.store.verdict_rows import uri

MUSEUM = "City Museum"
JOB = UUID("11111111-1111-4111-8111-111111111111")


def record_ids(number: int, *, first: int = 0) -> list[str]:
    return [f"/91001/item_{place:06}" for place in range(first, first + number)]


def add_model(connection: Connection, number: int = 1) -> int:
    """A model, a job of it, an operator and the concepts map and toy."""
    connection.execute(
        text("""
            INSERT INTO desk_user (id, name, role)
            VALUES (1, 'r1', 'operator'), (2, 'r2', 'reviewer')
            ON CONFLICT DO NOTHING;
            SELECT setval(pg_get_serial_sequence('desk_user', 'id'), 100)
        """)
    )
    concepts = text("INSERT INTO concept (uri, label) VALUES (:uri, :label) ON CONFLICT DO NOTHING")
    for name in ("map", "toy"):
        connection.execute(concepts, {"uri": uri(name), "label": name})
    connection.execute(
        text("""
            INSERT INTO model (id, name, version, path, sha256, labels, thresholds)
            VALUES (:n, 'audited', :n, 'audited-' || :n,
                    lpad(CAST(:n AS text), 64, '0'), '{}', '{}')
            ON CONFLICT DO NOTHING
        """),
        {"n": number},
    )
    connection.execute(
        text("""
            INSERT INTO job (id, model_id, routes, picture, priority, total)
            VALUES (:job, :n, '{}', 'auto', 'bulk', 0) ON CONFLICT DO NOTHING
        """),
        {"job": JOB, "n": number},
    )
    return number


def enrich(
    connection: Connection,
    records: Sequence[str],
    concept: str = "map",
    *,
    model: int = 1,
    provider: str = MUSEUM,
) -> None:
    """Enrichments of records, which are added."""
    connection.execute(
        text("""
            INSERT INTO record (id, data_provider, title)
            SELECT each, :provider, 'An object' FROM unnest(CAST(:records AS text[])) AS each
            ON CONFLICT DO NOTHING
        """),
        {"records": list(records), "provider": provider},
    )
    connection.execute(
        text("""
            INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source, image_url,
                                    job_id)
            SELECT :model, each, :concept, 0.9, 'media', 'https://museum.example/a.jpg', :job
            FROM unnest(CAST(:records AS text[])) AS each
        """),
        {"records": list(records), "concept": uri(concept), "model": model, "job": JOB},
    )


def certify(
    connection: Connection,
    records: Sequence[str],
    concept: str = "map",
    *,
    model: int = 1,
    precision: float = 0.97,
) -> int:
    """A closed audit of these enrichments; its number."""
    number: int = connection.execute(
        text("""
            INSERT INTO audit (state, model_id, thresholds, rows, sample, attempt, error, drawn_by,
                               right_ones, precision, ended_at)
            VALUES ('closed', :model, '{}', :rows, 1, 1, 0.025, 1, 1, :precision,
                    clock_timestamp()) RETURNING id
        """),
        {"model": model, "rows": len(records), "precision": precision},
    ).scalar_one()
    connection.execute(
        text("INSERT INTO audit_block VALUES (:audit, 1, :concept, CAST(:records AS text[]))"),
        {"audit": number, "concept": uri(concept), "records": list(records)},
    )
    return number


def consent(connection: Connection, provider: str = MUSEUM) -> None:
    connection.execute(
        text("""
            INSERT INTO decision (decided, data_provider, reason, decided_by)
            VALUES ('consented', :provider, 'they agreed', 1)
        """),
        {"provider": provider},
    )


def confirm(connection: Connection, record_id: str, concept: str = "map", *, by: int = 1) -> None:
    say(connection, record_id, concept, "right", by=by)


def say(connection: Connection, record_id: str, concept: str, said: str, *, by: int = 1) -> None:
    """A verdict now, in place of the reviewer's former one."""
    about = {"record": record_id, "concept": uri(concept), "by": by}
    connection.execute(
        text("""
            UPDATE verdict SET withdrawn_at = clock_timestamp()
            WHERE record_id = :record AND concept_uri = :concept AND user_id = :by
              AND withdrawn_at IS NULL
        """),
        about,
    )
    connection.execute(
        text("""
            INSERT INTO verdict (id, record_id, concept_uri, said, user_id, judged_at)
            VALUES (:id, :record, :concept, :said, :by, clock_timestamp())
        """),
        about | {"id": uuid4(), "said": said},
    )
