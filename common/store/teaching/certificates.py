"""Certificates that hold: what closed audits prove, in a sentence, and of whose enrichments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Protocol
from uuid import UUID

from sqlalchemy import Connection, text

from common.store.model_names import ModelName
from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER

AUDIT_ERROR = 0.05  # of all audits of the same rows together
AUDIT_CONFIDENCE = 1 - AUDIT_ERROR
_THOUSANDTH = Decimal("0.001")


def rounded_down(share: float) -> Decimal:
    """To a thousandth: what is shown never promises more than what is proved.

    The shortest decimal of a float is taken, so that 7 of 10 stay 0.7.
    """
    return Decimal(str(share)).quantize(_THOUSANDTH, rounding=ROUND_FLOOR)


def in_percent(share: float) -> str:
    """As `90.3 %`, rounded down."""
    return f"{100 * rounded_down(share):.1f} %"


class Proved(Protocol):
    """What the sentence of a closed audit says; `title` is the model's, `label` the concept's."""

    @property
    def title(self) -> str: ...
    @property
    def data_provider(self) -> str | None: ...
    @property
    def label(self) -> str | None: ...
    @property
    def rows(self) -> int: ...
    @property
    def sample(self) -> int: ...
    @property
    def right_ones(self) -> int | None: ...
    @property
    def precision(self) -> float | None: ...


def sentence_of(audit: Proved) -> str:
    which = (
        f"{audit.label[0].upper()}{audit.label[1:]} enrichments" if audit.label else "Enrichments"
    )
    whose, right = audit.data_provider or audit.title, audit.right_ones or 0
    seen = in_percent(right / audit.sample).replace(".0 ", " ")
    if audit.sample == audit.rows:
        return f"{which} of {whose}: {right:,} of all {audit.rows:,} were judged right ({seen})."
    return (
        f"{which} of {whose}: {right:,} of {audit.sample:,} drawn at random were right ({seen}). "
        f"With {100 * AUDIT_CONFIDENCE:.0f} % confidence, at least "
        f"{in_percent(audit.precision or 0)} of all {audit.rows:,} are right."
    )


@dataclass(frozen=True, kw_only=True)
class StandingCertificate:
    """A certificate that is not withdrawn, of the enrichments that were frozen at `drawn_at`."""

    audit_id: int
    model_id: int
    name: str
    version: int
    data_provider: str | None
    label: str | None
    rows: int
    sample: int
    right_ones: int
    precision: float
    drawn_at: datetime

    @property
    def title(self) -> str:
        return ModelName(self.name, self.version).title

    def __str__(self) -> str:
        return (
            f"Certificate of audit {self.audit_id}, for the enrichments that {self.title} had "
            f"written by {self.drawn_at:%Y-%m-%d}. {sentence_of(self)}"
        )


_STANDING = f"""
    SELECT audit.id AS audit_id, audit.model_id, model.name, model.version, audit.data_provider,
           {label_sql("model.vocabulary_id", "audit.concept_uri")} AS label, audit.rows,
           audit.sample, audit.right_ones, audit.precision,
           audit.drawn_at
    FROM audit JOIN model ON model.id = audit.model_id
    WHERE audit.state = 'closed' AND audit.withdrawn_at IS NULL
      AND audit.model_id = ANY(CAST(:model_ids AS int[])) {{covers}} ORDER BY audit.id
"""
_FROZEN = """
    AND EXISTS (SELECT 1 FROM audit_block CROSS JOIN LATERAL unnest(record_ids) AS each(record_id)
                {joined} WHERE audit_block.audit_id = audit.id)
"""
_OF_ALL = text(_STANDING.format(covers=""))
_OF_JOB = text(
    "WITH of_job AS MATERIALIZED ("
    " SELECT coalesce(alias.record_id, asked.id) AS record_id FROM ("
    "  SELECT record_ids FROM job_chunk WHERE job_id = :job_id AND state = 'done'"
    "  ORDER BY number LIMIT :chunks) AS chunk CROSS JOIN LATERAL unnest(record_ids) AS asked(id)"
    " LEFT JOIN record_alias AS alias ON alias.old_id = asked.id)"
    + _STANDING.format(covers=_FROZEN.format(joined="JOIN of_job USING (record_id)"))
)
_SINCE = text(
    _STANDING.format(
        covers=_FROZEN.format(
            joined="""JOIN enrichment ON enrichment.model_id = audit.model_id
                       AND enrichment.record_id = each.record_id
                       AND enrichment.concept_uri = audit_block.concept_uri
                       AND enrichment.updated_at >= :since"""
        )
    )
)


CERTIFIED_ENRICHMENTS = """
    SELECT audit.model_id, each.record_id, audit_block.concept_uri, max(audit.drawn_at) AS drawn_at
    FROM audit JOIN audit_block ON audit_block.audit_id = audit.id
    CROSS JOIN LATERAL unnest(record_ids) AS each(record_id)
    WHERE audit.state = 'closed' AND audit.withdrawn_at IS NULL
    GROUP BY audit.model_id, each.record_id, audit_block.concept_uri
"""
"""A query of what certificates are about: enrichments that did not change since `drawn_at`."""


def standing_certificates(
    connection: Connection,
    model_ids: Sequence[int],
    *,
    job_id: UUID | None = None,
    chunks: int | None = None,
    since: datetime | None = None,
) -> list[StandingCertificate]:
    """The certificates of models that are not withdrawn, by the numbers of their audits.

    Args:
        job_id: only those that are also about records of this job that are done.
        chunks: look at so many chunks of the job, which are a sample of it.
        since: only those that are also about enrichments that were written since.
    """
    asked = {"model_ids": list(model_ids), "job_id": job_id, "chunks": chunks, "since": since}
    given = asked | {"languages": list(READER.get())}
    statement = _OF_JOB if job_id else _SINCE if since else _OF_ALL
    return [StandingCertificate(**row) for row in connection.execute(statement, given).mappings()]
