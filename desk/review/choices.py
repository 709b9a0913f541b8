"""The choices of filters: jobs, data providers and concepts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from common.process.terminal.counting import counted
from common.store.tables.vocabularies import label_sql
from common.vocabulary.languages import READER
from desk.review.shown_models import ShownModel

MOST_JOBS = 50


@dataclass(frozen=True, kw_only=True)
class JobChoice:
    id: UUID
    name: str | None
    created_at: datetime
    model: str
    total: int

    @property
    def title(self) -> str:
        named = f"{self.name} · " if self.name else ""
        of = f"{self.created_at:%Y-%m-%d %H:%M} · {self.model} · {counted(self.total, 'record')}"
        return named + of


_JOBS = text("""
    SELECT job.id, job.name, job.created_at, job.total, model.name || ' v' || model.version AS model
    FROM job JOIN model ON model.id = job.model_id WHERE job.pruned_at IS NULL
    ORDER BY job.created_at DESC LIMIT :most
""")
_LABELS = text(f"""
    SELECT uri, {label_sql("(SELECT vocabulary_id FROM model WHERE id = :model)", "uri")} AS label
    FROM concept
    WHERE uri = ANY(CAST(:uris AS text[]))
""")


def job_choices(connection: Connection) -> list[JobChoice]:
    """The newest jobs that still have lists of their records."""
    rows = connection.execute(_JOBS, {"most": MOST_JOBS}).mappings()
    return [JobChoice(**row) for row in rows]


def concept_choices(models: Iterable[ShownModel]) -> dict[str, str]:
    """The labels of the models' concepts by URI, in alphabetical order."""
    together: dict[str, str] = {}
    for each in models:
        together |= each.concepts
    return dict(sorted(together.items(), key=lambda each: each[1].casefold()))


def labels_of(connection: Connection, uris: Iterable[str], *, model_id: int) -> dict[str, str]:
    """The labels of concepts in a model's vocabulary, in the reader's language."""
    asked = {"uris": list(uris), "model": model_id, "languages": list(READER.get())}
    rows = connection.execute(_LABELS, asked)
    return {row.uri: row.label for row in rows}
