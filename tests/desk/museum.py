"""A museum in the store: records, a model and what it wrote of them, without pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import numpy as np
from sqlalchemy import Engine, text

from common.process.settings.desk import AccessSettings
from common.store.embeddings import Seen, keep_vectors, save_seen
from common.store.encoders import find_encoder, register_encoder
from common.store.tables import PictureSource, Role, VerdictKind
from common.store.vocabularies import keep_vocabulary
from common.vision.answers.heads import halved
from common.vocabulary.concepts import Vocabulary, VocabularyConcept
from desk.access.accounts import BUILT_IN, add_account, local_operator
from desk.review.verdicts import NewVerdict, judge

MAP, PAINTING, VASE = (f"http://data.europeana.eu/concept/{number}" for number in (43, 47, 31))
LABELS = {MAP: "map", PAINTING: "painting", VASE: "vase"}
URL = "https://museum.example{record_id}.jpg"
DIMENSION = 8
PASSWORD = "correct horse battery"

_MODEL = text("""
    INSERT INTO model (name, version, path, sha256, labels, thresholds, stage)
    VALUES (:name, :version, :sha256, :sha256, :labels, CAST(:thresholds AS jsonb),
            CASE WHEN EXISTS (SELECT FROM model WHERE stage = 'active') THEN 'candidate'
            ELSE 'active' END) RETURNING id
""")
_CHUNK = text("""
    INSERT INTO job_chunk (job_id, number, record_ids, state, settled_at, enriched,
                           below_threshold, failed)
    VALUES (:job, :number, :record_ids, 'done', now(), :enriched, :below, :failed)
""")
_ENRICHMENT = text("""
    INSERT INTO enrichment (model_id, record_id, concept_uri, confidence, source, image_url, job_id)
    VALUES (:model, :record_id, :concept, :confidence, 'thumbnail', :url, :job)
""")


def narrower_than(broader: str, uri: str, label: str) -> VocabularyConcept:
    return VocabularyConcept(uri=uri, category=label, labels={"en": label}, broader=(broader,))


@dataclass
class Museum:
    """What tests put into a store; numbers of users by their names."""

    engine: Engine
    users: dict[str, int] = field(default_factory=dict)

    def execute(self, statement: str, **values: object) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def rows(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def concepts(self) -> None:
        for uri, label in LABELS.items():
            self.execute("INSERT INTO concept VALUES (:uri, :label)", uri=uri, label=label)

    def user(self, name: str = "a reviewer", role: str = "reviewer") -> int:
        """The number of an account; that of a desk without accounts is BUILT_IN."""
        if name == BUILT_IN:
            found = local_operator(self.engine, AccessSettings(), address="127.0.0.1", word="word")
            assert found is not None
            return found.number
        if name not in self.users:
            account = add_account(
                self.engine, name, role=Role(role), password=PASSWORD, subject=None
            )
            self.users[name] = account.number
        return self.users[name]

    def records(self, provider: str, *record_ids: str) -> None:
        for record_id in record_ids:
            self.execute(
                "INSERT INTO record (id, data_provider, title, rights, media_url)"
                " VALUES (:id, :provider, :title, :rights, :url)",
                id=record_id,
                provider=provider,
                title=f"Title of {record_id}",
                rights="http://creativecommons.org/licenses/by-sa/4.0/",
                url=URL.format(record_id=record_id),
            )

    def model(self, name: str = "test", version: int = 1) -> int:
        with self.engine.begin() as connection:
            values = {"name": name, "version": version, "sha256": f"{uuid4().int:064x}"[-64:]}
            values |= {"labels": list(LABELS), "thresholds": "{}"}
            found: int = connection.execute(_MODEL, values).scalar_one()
            return found

    def vocabulary(self, *concepts: VocabularyConcept) -> None:
        """A vocabulary that all models use."""
        with self.engine.begin() as connection:
            found = Vocabulary.of(concepts)
            kept, _ = keep_vocabulary(connection, "museum", found, source="museum.ttl")
            connection.execute(text("UPDATE model SET vocabulary_id = :id"), {"id": kept.id})

    def job(
        self, model: int, *chunks: Sequence[str], failed: Mapping[str, str] | None = None
    ) -> UUID:
        """A done job with chunks of records that have no enrichment yet."""
        failed = failed or {}
        total = sum(map(len, chunks))
        insert = (
            "INSERT INTO job (model_id, state, total, chunks, finished_at)"
            " VALUES (:model, 'done', :total, :chunks, now()) RETURNING id"
        )
        with self.engine.begin() as connection:
            values = {"model": model, "total": total, "chunks": len(chunks)}
            job: UUID = connection.execute(text(insert), values).scalar_one()
            for number, record_ids in enumerate(chunks, start=1):
                lost = sum(each in failed for each in record_ids)
                counts = {"enriched": 0, "below": len(record_ids) - lost, "failed": lost}
                chunk = {"job": job, "number": number, "record_ids": list(record_ids)}
                connection.execute(_CHUNK, chunk | counts)
        for record_id, reason in failed.items():
            self.execute(
                "INSERT INTO job_failure (job_id, record_id, stage, reason)"
                " VALUES (:job, :record, 'fetch', :reason)",
                job=job,
                record=record_id,
                reason=reason,
            )
        return job

    def enrich(self, job: UUID, model: int, found: Mapping[str, tuple[str, float]]) -> None:
        rows = [
            {
                "model": model,
                "job": job,
                "record_id": record_id,
                "concept": concept,
                "confidence": confidence,
                "url": URL.format(record_id=record_id),
            }
            for record_id, (concept, confidence) in found.items()
        ]
        with self.engine.begin() as connection:
            connection.execute(_ENRICHMENT, rows)

    def say(
        self, user: str, record_id: str, concept: str, said: VerdictKind, **more: object
    ) -> UUID:
        number = uuid4()
        verdict = NewVerdict(id=number, record_id=record_id, concept=concept, said=said, **more)  # type: ignore[arg-type]
        user_id = self.user(user)
        with self.engine.begin() as connection:
            judge(connection, user_id, [verdict])
        return number

    def encoder(self, model: int) -> int:
        with self.engine.begin() as connection:
            register_encoder(
                connection,
                name="drawn",
                sha256="e" * 64,
                network="timm:none",
                dimension=DIMENSION,
                licence="",
            )
            number = find_encoder(connection, "drawn").id
        self.execute("UPDATE model SET encoder_id = :number", number=number)
        return number

    def embed(self, encoder: int, vectors: Mapping[str, Sequence[float]]) -> None:
        with self.engine.begin() as connection:
            (now,) = connection.execute(text("SELECT now()")).one()
            pictures = {each: each.encode().ljust(32, b".")[:32] for each in vectors}
            halves = halved(np.array(list(vectors.values()), dtype=np.float32))
            kept = dict(zip(pictures.values(), halves, strict=True))
            keep_vectors(connection, encoder, kept)
            seen = [
                Seen(
                    record_id=each,
                    source=PictureSource.THUMBNAIL,
                    url=URL.format(record_id=each),
                    sha256=picture,
                    seen_at=now,
                )
                for each, picture in pictures.items()
            ]
            save_seen(connection, seen)
