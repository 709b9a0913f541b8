"""The audits of the store, for a page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from common.store.model_names import ModelName
from common.store.tables import AuditState
from desk.audits.bounds import in_percent
from desk.audits.judging import JUDGED

SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class ListedAudit:
    """An audit with who drew it, None once the account was forgotten.

    `right_ones` and `precision` are those of a closed audit. `judged` of the `sample` rows have a
    verdict.
    """

    id: int
    state: AuditState
    model: str
    data_provider: str | None
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
    def proves(self) -> str:
        """The bound, rounded down; empty if it proves nothing or nothing any more."""
        if self.precision is None or self.withdrawn_at is not None:
            return ""
        return f"at least {in_percent(self.precision)}"


_LIST = text(f"""
    SELECT audit.id, audit.state, model.name, model.version, audit.data_provider, concept.label,
           audit.rows, audit.sample, audit.attempt, audit.drawn_at, audit.ended_at,
           audit.right_ones, audit.precision, audit.withdrawn_at, desk_user.name AS drawn_by,
           ({JUDGED}) AS judged
    FROM audit JOIN model ON model.id = audit.model_id
    JOIN desk_user ON desk_user.id = audit.drawn_by
    LEFT JOIN concept ON concept.uri = audit.concept_uri
    WHERE (CAST(:model_id AS int) IS NULL OR audit.model_id = :model_id)
      AND (CAST(:before AS int) IS NULL OR audit.id < :before)
    ORDER BY audit.id DESC LIMIT :shown
""")


def list_audits(
    connection: Connection,
    *,
    model_id: int | None = None,
    before: int | None = None,
    shown: int = SHOWN,
) -> list[ListedAudit]:
    """Audits of all models or of one, the newest first; `before` goes on from an audit's number."""
    asked = {"model_id": model_id, "before": before, "shown": shown}
    audits = []
    for row in connection.execute(_LIST, asked).mappings():
        values = dict(row)
        model = ModelName(values.pop("name"), values.pop("version")).title
        audits.append(ListedAudit(**{**values, "state": AuditState(row["state"])}, model=model))
    return audits
