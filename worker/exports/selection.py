"""The enrichments to export, and their order.

The order does not depend on the database's locale or age: by record ID, byte by byte, then by
falling confidence, then by concept URI, name and version of the model. What decisions block is
left out and counted, and so is what reviewers call wrong.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from common.errors import UsageError
from common.store.model_names import ModelName
from common.store.session import allow_pauses
from common.store.tables import VerdictKind
from common.store.tables.harvested import of_provider
from common.store.tables.jobs import JOB_MODELS
from common.store.teaching.certificates import CERTIFIED_ENRICHMENTS
from common.store.teaching.standing_verdicts import STANDING_VERDICTS, judged_conditions
from common.vision.answers.blocked import Blocks
from common.vision.answers.data_providers import odd_spellings
from worker.exports.changes import CHANGED_SINCE, Statement, change_parameters, removed_statements
from worker.exports.labels import ExportLabels, read_labels
from worker.exports.rows import EnrichmentRow, RowMaker, row_maker
from worker.jobs.parts import ALL_CHUNKS, ChunkNumbers
from worker.jobs.prune import check_not_pruned
from worker.ledger.routes import ROUTED_MODEL

ROWS_AT_ONCE = 5_000  # from the server's cursor


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A job; or a model (all versions, if none is given), a time, or both; of these what the rest
    says. `concept` is a URI, `lowest` and `highest` are confidences, `judged` no, yes or disputed,
    `verdict` what reviewers say.

    A job's enrichments are those of its records by the model that answers for them, also if another
    job wrote them; `chunks`: only those of its chunks with these numbers. `since` is compared with
    the start of the transaction that last wrote an enrichment, in database time.
    `changed_since` selects all enrichments of statements that may have changed (`changes`).
    """

    job: UUID | None = None
    model: str | None = None
    version: int | None = None
    since: datetime | None = None
    data_provider: str | None = None
    concept: str | None = None
    lowest: float | None = None
    highest: float | None = None
    judged: str | None = None
    changed_since: datetime | None = None
    verdict: str | None = None
    chunks: ChunkNumbers | None = None

    def asked(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def conditions(self) -> str:
        named = [CONDITIONS[name] for name in self.asked() if name in CONDITIONS]
        if self.judged is not None:
            named.append(judged_conditions("enrichment")[self.judged])
        return " AND ".join(named)


_COLUMNS = """
    SELECT enrichment.record_id, enrichment.concept_uri, concept.label, enrichment.confidence,
           model.name || ' v' || model.version, enrichment.source, enrichment.image_url,
           CAST(enrichment.job_id AS text), enrichment.updated_at, heatmap.sha256,
           enrichment.seen_at, standing.verdict, record.data_provider, record.rights,
           certified.drawn_at >= enrichment.updated_at AS is_certified
"""
_WITH_RECORDS = f"""
    JOIN record ON record.id = enrichment.record_id
    LEFT JOIN ({CERTIFIED_ENRICHMENTS}) AS certified
      ON certified.model_id = enrichment.model_id AND certified.record_id = enrichment.record_id
     AND certified.concept_uri = enrichment.concept_uri
"""
SOURCE = f"""
    FROM enrichment
    JOIN model ON model.id = enrichment.model_id
    JOIN concept ON concept.uri = enrichment.concept_uri
    LEFT JOIN heatmap USING (record_id, concept_uri, model_id, image_url)
    LEFT JOIN ({STANDING_VERDICTS}) AS standing USING (record_id, concept_uri)
"""
NOT_WRONG = "standing.verdict IS DISTINCT FROM 'wrong'"
_IN_ORDER = """
    ORDER BY enrichment.record_id COLLATE "C", enrichment.confidence DESC,
             enrichment.concept_uri COLLATE "C", model.name COLLATE "C", model.version
"""
CONDITIONS = {
    "job": f"""
        enrichment.model_id = ANY(ARRAY(
            SELECT unnest({JOB_MODELS}) FROM job WHERE id = :job))
        AND enrichment.record_id IN (
            SELECT coalesce(alias.record_id, asked.id)
            FROM job_chunk CROSS JOIN LATERAL unnest(job_chunk.record_ids) AS asked(id)
            LEFT JOIN record_alias AS alias ON alias.old_id = asked.id
            WHERE job_chunk.job_id = :job AND job_chunk.state = 'done'
              AND job_chunk.number BETWEEN :first_chunk AND :last_chunk)
        AND enrichment.model_id = (
            SELECT {ROUTED_MODEL.format(record_id="enrichment.record_id")}
            FROM job WHERE job.id = :job)
    """,
    "model": "model.name = :model",
    "version": "model.version = :version",
    "since": "enrichment.updated_at >= :since",
    "data_provider": f"""
        enrichment.record_id IN (SELECT id FROM record WHERE {of_provider(":data_provider")})
    """,
    "concept": "enrichment.concept_uri = :concept",
    "lowest": "enrichment.confidence >= :lowest",
    "highest": "enrichment.confidence <= :highest",
    "changed_since": CHANGED_SINCE,
    "verdict": "standing.verdict = :verdict",
}
# As many of each concept as possible: first one of each concept, then a second one, and so on.
_DRAWN = """
    ORDER BY row_number() OVER (PARTITION BY enrichment.concept_uri ORDER BY
                                hashtext(enrichment.record_id), enrichment.record_id COLLATE "C"),
             enrichment.concept_uri COLLATE "C"
    LIMIT :limit
"""
_JOB_MODEL = text("""
    SELECT model.name, model.version FROM job JOIN model ON model.id = job.model_id
    WHERE job.id = :job
""")
_VERSIONS = text("SELECT version FROM model WHERE name = :model ORDER BY version")


class SelectedRows:
    """Enrichments to export, once.

    `left_out` counts those that decisions block, `wrong` those that reviewers call wrong.
    `removed` are the statements to remove, if changes are selected; to be read after the rows.
    """

    def __init__(
        self,
        rows: Iterable[Any],
        labels: ExportLabels,
        make: RowMaker,
        *,
        with_wrong: bool,
        removed: Iterator[Statement],
    ) -> None:
        self.labels = labels
        self.removed = removed
        self._rows = iter(rows)
        self._make = make
        self._with_wrong = with_wrong
        self.left_out = 0
        self.wrong = 0

    def __iter__(self) -> Iterator[EnrichmentRow]:
        return self

    def __next__(self) -> EnrichmentRow:
        for row in self._rows:
            found = self._make(row)
            if row.is_blocked:
                self.left_out += 1
            elif found.verdict == VerdictKind.WRONG and not self._with_wrong:
                self.wrong += 1
            else:
                return found
        raise StopIteration


@contextmanager
def selected(
    engine: Engine, selection: Selection, *, with_wrong: bool = False, wanted: Iterable[str] = ()
) -> Iterator[SelectedRows]:
    """The selected enrichments, all from one moment, for as long as the block lasts.

    Args:
        with_wrong: also those that more reviewers call wrong than right.
        wanted: the languages of their labels, the best first.

    Raises:
        UsageError: there is no such job or model, or the list of the job's records was removed.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        check_selection(connection, selection)
        labels = read_labels(connection, selection.asked(), wanted)
        make = row_maker(connection, selection.asked(), labels)
        blocked = Blocks.read(connection).in_sql(connection)
        asked = parameters(connection, selection) | blocked.parameters
        statement = text(
            f"{_COLUMNS}, {blocked.is_blocked} AS is_blocked {SOURCE} {_WITH_RECORDS}"
            f" WHERE {selection.conditions()} {_IN_ORDER}"
        )
        allow_pauses(connection)  # the reader of the output may be slow
        streaming = connection.execution_options(yield_per=ROWS_AT_ONCE)
        removed: Iterator[Statement] = iter(())
        if selection.changed_since:
            said = "true" if with_wrong else NOT_WRONG
            said = CONDITIONS["verdict"] if selection.verdict else said
            holds = f"NOT {blocked.is_blocked} AND {said}"
            removed = removed_statements(connection, asked, holds=holds)
        with streaming.execute(statement, asked) as rows:
            yield SelectedRows(rows, labels, make, with_wrong=with_wrong, removed=removed)


def parameters(connection: Connection, selection: Selection) -> dict[str, Any]:
    asked = selection.asked()
    if selection.job:
        asked["odd_spellings"] = json.dumps(odd_spellings(connection))
        asked |= (selection.chunks or ALL_CHUNKS).parameters()
    if selection.changed_since:
        asked |= change_parameters(connection, selection.changed_since)
    return asked


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some of a job's `total` enrichments that have a heatmap; decisions block `left_out` more."""

    rows: list[EnrichmentRow]
    total: int
    left_out: int


def draw_sample(engine: Engine, job: UUID, *, limit: int, wanted: Iterable[str] = ()) -> Sample:
    """Enrichments of a job that have a heatmap, as many of each concept; always the same ones.

    Raises:
        UsageError: there is no such job, none of its enrichments has a heatmap, or the list of its
            records was removed.
    """
    has_heatmap = f"{CONDITIONS['job']} AND heatmap.sha256 IS NOT NULL"
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        check_selection(connection, Selection(job=job))
        blocked = Blocks.read(connection).in_sql(connection)
        asked = parameters(connection, Selection(job=job)) | blocked.parameters
        count = text(
            f"SELECT count(*) FILTER (WHERE NOT {blocked.is_blocked}) AS total,"
            f" count(*) FILTER (WHERE {blocked.is_blocked}) AS left_out"
            f" {SOURCE} WHERE {has_heatmap}"
        )
        counted = connection.execute(count, asked).one()
        if counted.total == 0:
            raise UsageError(_nothing_to_show(job, counted.left_out))
        drawn = text(
            f"{_COLUMNS} {SOURCE} {_WITH_RECORDS}"
            f" WHERE {has_heatmap} AND {blocked.is_free} {_DRAWN}"
        )
        found = connection.execute(drawn, asked | {"limit": limit})
        labels = read_labels(connection, {"job": job}, wanted)
        make = row_maker(connection, {"job": job}, labels)
        rows = [make(row) for row in found]
        return Sample(rows=rows, total=counted.total, left_out=counted.left_out)


def _nothing_to_show(job: UUID, left_out: int) -> str:
    if left_out:
        return f"All {left_out:,} enrichments of job {job} with a heatmap are blocked by decisions."
    return f"No enrichment of job {job} has a heatmap. Enqueue its records with --explain."


def check_selection(connection: Connection, selection: Selection) -> None:
    """Raises UsageError: there is no such job or model, or the job's list was removed."""
    if selection.job:
        model = connection.execute(_JOB_MODEL, {"job": selection.job}).first()
        if model is None:
            raise UsageError(f"There is no job {selection.job}.")
        every = f"worker export --model {ModelName(model.name, model.version)} FILE"
        instead = f"Its enrichments stay. To export all enrichments of its model: {every}"
        check_not_pruned(connection, selection.job, instead=instead)
    if selection.model:
        known = connection.execute(_VERSIONS, {"model": selection.model}).scalars().all()
        if not known:
            raise UsageError(
                f"There is no model {selection.model}. List models: trainer models list"
            )
        if selection.version not in (None, *known):
            raise UsageError(
                f"Model {selection.model} has no version {selection.version}. "
                f"It has {', '.join(map(str, known))}."
            )
