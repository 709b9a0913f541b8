"""A gallery in the store: what a model wrote of the records of two museums, ready to be audited."""

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Engine, text

from common.store.tables import VerdictKind
from desk.audits.draw import draw
from desk.audits.judging import DrawnRow, check_open, drawn_rows
from desk.audits.subject import AuditSubject

MAP, PAINTING = "http://data.europeana.eu/concept/43", "http://data.europeana.eu/concept/47"
MUSEUM, OTHER = "A museum", "Another museum"
ANN, BO = 1, 2  # numbers of accounts
RECORDS = 120  # of each museum


@dataclass(frozen=True)
class Gallery:
    """A store with enrichments of a model: maps of all records, paintings of every second one."""

    engine: Engine
    model_id: int

    def subject(self, provider: str | None = MUSEUM, concept: str | None = MAP) -> AuditSubject:
        return AuditSubject(model_id=self.model_id, data_provider=provider, concept_uri=concept)

    def draw(self, sample: int = 20, **subject: str | None) -> int:
        return draw(self.engine, self.subject(**subject), sample=sample, user_id=ANN)

    def drawn(self, audit_id: int, user_id: int = ANN) -> list[DrawnRow]:
        return drawn_rows(self.engine, audit_id, user_id=user_id)

    def judge(
        self,
        audit_id: int | None,
        row: DrawnRow,
        said: VerdictKind = VerdictKind.RIGHT,
        user_id: int = ANN,
    ) -> None:
        with self.engine.begin() as connection:
            if audit_id is not None:
                check_open(connection, audit_id, [(row.record_id, row.concept_uri)])
            insert = text("""
                INSERT INTO verdict (id, record_id, concept_uri, said, user_id, audit_id)
                VALUES (:id, :record_id, :concept_uri, :said, :user_id, :audit_id)
            """)
            values = {"id": uuid4(), "said": said, "user_id": user_id, "audit_id": audit_id}
            values |= {"record_id": row.record_id, "concept_uri": row.concept_uri}
            connection.execute(insert, values)

    def execute(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]


def hang(engine: Engine) -> Gallery:
    gallery = Gallery(engine, model_id=1)
    gallery.execute(
        "INSERT INTO desk_user (id, name, role)"
        " VALUES (1, 'ann', 'reviewer'), (2, 'bo', 'reviewer')"
    )
    gallery.execute(
        "INSERT INTO concept VALUES (:map, 'map'), (:painting, 'painting')",
        map=MAP,
        painting=PAINTING,
    )
    gallery.execute("""
        INSERT INTO model (id, name, version, path, sha256, labels, thresholds, stage)
        VALUES (1, 'vases', 3, 'vases-3', repeat('0', 64), '{}', '{"x": 0.7}', 'active')
    """)
    # After a killed server, numbers do not begin with 1: a sequence may skip some.
    for table, last in (("desk_user", 2), ("model", 1)):
        gallery.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})")
    gallery.execute("INSERT INTO job (model_id, total) VALUES (1, 0)")
    gallery.execute(
        "INSERT INTO record (id, data_provider, title)"
        " SELECT '/' || place || '/r' || n, provider, 'Title ' || n"
        " FROM unnest(CAST(:providers AS text[])) WITH ORDINALITY AS museum(provider, place)"
        " CROSS JOIN generate_series(1, :records) AS n",
        providers=[MUSEUM, OTHER],
        records=RECORDS,
    )
    for concept, every in ((MAP, 1), (PAINTING, 2)):
        gallery.execute(
            "INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source,"
            " image_url, job_id) SELECT 1, record.id, :concept, 0.9, 'media',"
            " 'http://museum.example' || record.id, job.id FROM record, job"
            " WHERE CAST(split_part(record.id, '/r', 2) AS int) % :every = 0",
            concept=concept,
            every=every,
        )
    return gallery
