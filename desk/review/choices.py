"""The choices of filters: jobs, data providers and concepts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from uuid import UUID

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.process.terminal.counting import counted
from common.store.tables.harvested import PROVIDER_KEY, of_provider
from common.store.tables.vocabularies import label_sql
from common.vision.answers.spellings import spellings_of
from common.vocabulary.languages import READER
from desk.review.shown_models import ShownModel

MOST_JOBS = 50
MOST_PROVIDERS = 300


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
# This goes from one provider to the next in the index. DISTINCT would read all records.
_PROVIDERS = text(f"""
    WITH RECURSIVE provider(name) AS (
        (SELECT {PROVIDER_KEY} FROM record WHERE {PROVIDER_KEY} > ''
         ORDER BY {PROVIDER_KEY} LIMIT 1)
        UNION ALL
        SELECT (SELECT {PROVIDER_KEY} FROM record WHERE {PROVIDER_KEY} > provider.name
                ORDER BY {PROVIDER_KEY} LIMIT 1)
        FROM provider WHERE provider.name IS NOT NULL
    )
    SELECT name FROM provider WHERE name IS NOT NULL LIMIT :most
""")
_LABELS = text(f"""
    SELECT uri, {label_sql("(SELECT vocabulary_id FROM model WHERE id = :model)", "uri")} AS label
    FROM concept
    WHERE uri = ANY(CAST(:uris AS text[]))
""")
_HAS_RECORDS = text(f"SELECT 1 FROM record WHERE {of_provider(':name')} LIMIT 1")


def job_choices(connection: Connection) -> list[JobChoice]:
    """The newest jobs that still have lists of their records."""
    rows = connection.execute(_JOBS, {"most": MOST_JOBS}).mappings()
    return [JobChoice(**row) for row in rows]


def provider_choices(connection: Connection) -> list[str]:
    """Data providers of the store's records in alphabetical order, at most MOST_PROVIDERS."""
    return list(connection.execute(_PROVIDERS, {"most": MOST_PROVIDERS}).scalars())


def has_records(connection: Connection, data_provider: str) -> bool:
    """Whether the store has records of a data provider, in any spelling of its name."""
    if connection.execute(_HAS_RECORDS, {"name": data_provider}).first() is not None:
        return True
    return len(spellings_of(connection, [data_provider])[data_provider]) > 1  # one is the name


def check_provider(connection: Connection, name: str) -> None:
    """Refuse the name of a data provider that has no record in the store.

    Raises:
        UsageError: the message suggests similar names.
    """
    if has_records(connection, name):
        return
    wanted = name.casefold()
    known = provider_choices(connection)
    inside = [each for each in known if wanted in each.casefold()]
    near = inside or get_close_matches(name, known, n=5, cutoff=0.5)
    meant = f" Did you mean: {', '.join(near[:5])}?" if near else ""
    words = f"The store has no record of the data provider {name[:100]!r}.{meant}"
    raise UsageError(words, field="provider")


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
