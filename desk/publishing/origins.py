"""Where a statement or a model comes from, for the public: no account and no operator's words."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import ModelError
from common.process.terminal.counting import counted
from common.publishing.lives import STATE_WORDS, reason_in_words
from common.store.model_names import ModelName
from common.store.tables import PublicationState
from common.store.tables.vocabularies import label_sql
from common.store.teaching.certificates import standing_certificates
from common.vision.bundle import read_description
from common.vocabulary.languages import READER
from desk.audits.listing import find_audit
from desk.pages.models import promise_in_words
from trainer.models.store import TAUGHT_FROM

_SAID = {
    "right": "called it right",
    "wrong": "called it wrong",
    "too_general": "called it too general",
    "cannot_tell": "could not tell",
}


@dataclass(frozen=True, kw_only=True)
class ModelOrigin:
    """A model, and what it learned from: `providers` has the numbers of their training pictures.

    `providers` is empty if that is unknown. `taught_from` is the model that curators taught with
    `verdicts` on pictures of `taught_by`.
    """

    id: int
    reference: ModelName
    sha256: str
    created_at: datetime
    retired_at: datetime | None
    vocabulary: str | None
    encoder: str | None
    network: str | None
    licence: str | None
    promise: tuple[str, ...]
    providers: Mapping[str, int]
    taught_from: str | None = None
    taught_by: str | None = None
    verdicts: int = 0
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HumanDecision:
    """What reviewers of one role say of a statement, never who they are."""

    said: str
    role: str
    people: int
    last: datetime

    def __str__(self) -> str:
        return f"{counted(self.people, self.role)} {_SAID[self.said]}, last on {self.last:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True)
class StatementOrigin:
    """A statement with its record, picture, model and grounds.

    `certificates` are sentences. `model` is None if reviewers alone named the concept.
    """

    name: UUID
    record_id: str
    title: str | None
    data_provider: str | None
    rights: str | None
    concept_uri: str
    label: str
    state: PublicationState
    confidence: float | None
    posted_at: datetime | None
    changed_at: datetime
    annotation: str | None
    reason: str | None
    image_url: str | None
    seen_at: datetime | None
    model: ModelOrigin | None
    certificates: tuple[str, ...]
    decisions: tuple[HumanDecision, ...]

    @property
    def stands(self) -> bool:
        """Whether it stands at Europeana now."""
        return self.state in (PublicationState.POSTED, PublicationState.WITHDRAWING)

    @property
    def was_sent(self) -> bool:
        return self.stands or self.state in (PublicationState.SENDING, PublicationState.WITHDRAWN)

    @property
    def withdrawn_at(self) -> datetime | None:
        return self.changed_at if self.state is PublicationState.WITHDRAWN else None

    @property
    def state_words(self) -> str:
        return STATE_WORDS[self.state]

    @property
    def reason_words(self) -> str:
        return reason_in_words(self.reason)


_STATEMENT = text(f"""
    SELECT publication.name, publication.record_id, record.title, record.data_provider,
           record.rights, publication.concept_uri,
           {label_sql("model.vocabulary_id", "publication.concept_uri")} AS label,
           publication.state, publication.confidence, publication.posted_at,
           publication.changed_at, publication.annotation, publication.reason,
           enrichment.image_url, enrichment.seen_at, publication.model_id, publication.audits
    FROM publication JOIN record ON record.id = publication.record_id
    LEFT JOIN model ON model.id = publication.model_id
    LEFT JOIN enrichment ON enrichment.model_id = publication.model_id
     AND enrichment.record_id = publication.record_id
     AND enrichment.concept_uri = publication.concept_uri
    WHERE publication.name = :name
""")
_DECISIONS = text("""
    SELECT said, role, count(*) AS people, max(judged_at) AS last FROM (
        SELECT DISTINCT ON (user_id) about.said, desk_user.role, judged_at
        FROM verdict JOIN desk_user ON desk_user.id = user_id
        LEFT JOIN audit ON audit.id = verdict.audit_id
        CROSS JOIN LATERAL (VALUES (verdict.concept_uri, verdict.said),
                                   (verdict.instead_uri, 'right')) AS about(uri, said)
        WHERE record_id = :record_id AND about.uri = :concept_uri AND verdict.withdrawn_at IS NULL
          AND (verdict.audit_id IS NULL OR audit.state = 'closed')
        ORDER BY user_id, judged_at DESC
    ) AS last_said GROUP BY said, role ORDER BY people DESC, said
""")


def statement_origin(connection: Connection, name: UUID, model_dir: Path) -> StatementOrigin | None:
    """The statement with this name; None if there is none."""
    asked = {"name": name, "languages": list(READER.get())}
    row = connection.execute(_STATEMENT, asked).mappings().one_or_none()
    if row is None:
        return None
    values = dict(row)
    model_id, audits = values.pop("model_id"), values.pop("audits")
    about = {"record_id": row["record_id"], "concept_uri": row["concept_uri"]}
    return StatementOrigin(
        **{**values, "state": PublicationState(row["state"])},
        model=_model_origin(connection, "model.id = :id", {"id": model_id}, model_dir),
        certificates=tuple(_proof(connection, each) for each in audits),
        decisions=tuple(
            HumanDecision(**each) for each in connection.execute(_DECISIONS, about).mappings()
        ),
    )


def _proof(connection: Connection, audit_id: int) -> str:
    audit = find_audit(connection, audit_id)
    if audit is None or not audit.proves:
        return f"The certificate of audit {audit_id} is withdrawn."
    return f"Certificate of audit {audit_id}. {audit.proves}"


_MODEL = """
    SELECT model.id, model.name, model.version, model.path, model.sha256, model.created_at,
           model.retired_at, model.promise, vocabulary.name || '@' || vocabulary.version
           AS vocabulary, encoder.name AS encoder, encoder.network, encoder.licence
    FROM model LEFT JOIN encoder ON encoder.id = model.encoder_id
    LEFT JOIN vocabulary ON vocabulary.id = model.vocabulary_id WHERE {condition}
"""


def model_origin(connection: Connection, name: ModelName, model_dir: Path) -> ModelOrigin | None:
    """The model with this name and version; None if there is none."""
    asked = {"name": name.name, "version": name.version}
    condition = "model.name = :name AND model.version = :version"
    return _model_origin(connection, condition, asked, model_dir)


def _model_origin(
    connection: Connection, condition: str, asked: dict[str, Any], model_dir: Path
) -> ModelOrigin | None:
    row = connection.execute(text(_MODEL.format(condition=condition)), asked).one_or_none()
    if row is None:
        return None
    origin: dict[str, Any] = {}
    with suppress(ModelError):  # without the folder of models, the store knows the rest
        origin = read_description(model_dir / row.path, row.sha256).created_from
    return ModelOrigin(
        id=row.id,
        reference=ModelName(row.name, row.version),
        sha256=row.sha256,
        created_at=row.created_at,
        retired_at=row.retired_at,
        vocabulary=row.vocabulary,
        encoder=row.encoder,
        network=row.network,
        licence=row.licence,
        promise=tuple(promise_in_words(row.promise)),
        providers=_learned_from(row.promise or {}),
        taught_from=origin.get(TAUGHT_FROM),
        taught_by=origin.get("data_provider"),
        verdicts=origin.get("verdicts", 0),
        certificates=tuple(map(str, standing_certificates(connection, [row.id]))),
    )


def _learned_from(promise: Mapping[str, Any]) -> Mapping[str, int]:
    """Pictures by data provider; those of a promise that was measured elsewhere taught nothing."""
    if promise.get("measured_on") == "other pictures":
        return {}
    providers: Mapping[str, int] = promise.get("providers", {})
    return dict(sorted(providers.items(), key=lambda each: (-each[1], each[0])))
