"""The list of audits for a page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, text

from common.store.model_names import ModelName
from common.store.tables import AuditState
from common.store.tables.vocabularies import label_sql
from common.store.teaching.certificates import sentence_of
from common.vocabulary.languages import READER
from desk.audits.judging import JUDGED

AUDITS_SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class ListedAudit:
    """An audit for a list.

    `drawn_by` is None if the account was forgotten. `right_ones` and `precision` are None until the
    audit is closed. `judged` of the `sample` rows have a verdict.
    """

    id: int
    state: AuditState
    model_id: int
    model: ModelName
    data_provider: str | None
    concept_uri: str | None
    label: str | None
    rows: int
    sample: int
    judged: int
    attempt: int
    drawn_by: str | None
    drawn_at: datetime
    ended_at: datetime | None
    right_ones: int | None
    precision: float | None
    withdrawn_at: datetime | None

    @property
    def title(self) -> str:
        return self.model.title

    @property
    def proves(self) -> str:
        """The sentence of the certificate; empty if there is none or it is withdrawn."""
        if self.precision is None or self.withdrawn_at is not None:
            return ""
        return sentence_of(self)


_LISTED = f"""
    SELECT audit.id, audit.state, audit.model_id, model.name, model.version, audit.data_provider,
           audit.concept_uri, {label_sql("model.vocabulary_id", "audit.concept_uri")} AS label,
           audit.rows, audit.sample, audit.attempt,
           audit.drawn_at, audit.ended_at, audit.right_ones, audit.precision, audit.withdrawn_at,
           desk_user.name AS drawn_by,
           ({JUDGED}) AS judged
    FROM audit JOIN model ON model.id = audit.model_id
    JOIN desk_user ON desk_user.id = audit.drawn_by
"""
_ONE = text(f"{_LISTED} WHERE audit.id = :audit_id")
_LIST = text(f"""
    {_LISTED}
    WHERE (CAST(:model_id AS int) IS NULL OR audit.model_id = :model_id)
      AND (CAST(:before AS int) IS NULL OR audit.id < :before)
    ORDER BY audit.id DESC LIMIT :shown
""")


def list_audits(
    connection: Connection,
    *,
    model_id: int | None = None,
    before: int | None = None,
) -> list[ListedAudit]:
    """Audits of all models or of one, the newest first. `before` is the last number shown."""
    asked = {
        "model_id": model_id,
        "before": before,
        "shown": AUDITS_SHOWN,
        "languages": list(READER.get()),
    }
    return [_listed(row) for row in connection.execute(_LIST, asked).mappings()]


def find_audit(connection: Connection, audit_id: int) -> ListedAudit | None:
    asked = {"audit_id": audit_id, "languages": list(READER.get())}
    row = connection.execute(_ONE, asked).mappings().one_or_none()
    return None if row is None else _listed(row)


def _listed(row: RowMapping) -> ListedAudit:
    values = dict(row)
    model = ModelName(values.pop("name"), values.pop("version"))
    return ListedAudit(**{**values, "state": AuditState(row["state"])}, model=model)
