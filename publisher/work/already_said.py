"""What Europeana says already: statements of a plan that its record or an annotation has."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Engine, text

from common.europeana.api import EuropeanaApi, SearchQuery, query_batches
from common.europeana.record_ids import parse_record_id
from common.process.terminal.progress import ProgressReport
from common.store.session import allow_pauses
from publisher.europeana.annotations import AnnotationClient

_SAYS = ("skos_concept", "proxy_dc_type", "proxy_dc_subject")  # fields of the Search API
IN_THE_RECORD = "the record"
ROWS_AT_ONCE = 5_000  # from the server's cursor

_PLANNED = text("""
    SELECT concept_uri, record_id FROM publication
    WHERE plan_id = :plan_id AND state = 'planned' ORDER BY concept_uri, record_id
""")
_SAID = text("""
    UPDATE publication SET state = 'already_said', reason = said.reason, changed_at = now()
    FROM unnest(CAST(:record_ids AS text[]), CAST(:reasons AS text[])) AS said(record_id, reason)
    WHERE publication.record_id = said.record_id AND publication.concept_uri = :concept_uri
      AND publication.plan_id = :plan_id AND publication.state = 'planned'
""")
_CHECKED = text("UPDATE publication_plan SET checked_at = now() WHERE id = :plan_id")


def check_plan(
    engine: Engine,
    search: EuropeanaApi,
    annotations: AnnotationClient,
    plan_id: int,
    report: ProgressReport,
) -> None:
    """Ask Europeana what it says already, and take that out of the plan.

    If it is interrupted, the plan stays unchecked, and the next call asks again.

    Raises:
        ApiError: an API cannot be asked.
        NotWrittenError: the Annotation API does not answer now.
    """
    for concept_uri, record_ids in _batches(engine, plan_id):
        said = dict.fromkeys(_said_by_records(search, record_ids, concept_uri), IN_THE_RECORD)
        for tag in annotations.tags(record_ids, concept_uri):
            said.setdefault(_record_of(tag), str(tag.get("id")))
        if said:
            asked = {"plan_id": plan_id, "concept_uri": concept_uri}
            asked |= {"record_ids": list(said), "reasons": list(said.values())}
            with engine.begin() as connection:
                connection.execute(_SAID, asked)
        report.advance(len(record_ids))
    with engine.begin() as connection:
        connection.execute(_CHECKED, {"plan_id": plan_id})


def _batches(engine: Engine, plan_id: int) -> Iterator[tuple[str, list[str]]]:
    """The records of each concept of a plan, as many as one query names."""
    with engine.connect().execution_options(yield_per=ROWS_AT_ONCE) as connection:
        allow_pauses(connection)  # Europeana may be slow
        rows = connection.execute(_PLANNED, {"plan_id": plan_id})
        for concept_uri, group in groupby(rows, key=itemgetter(0)):
            for batch in query_batches(record_id for _, record_id in group):
                yield concept_uri, batch


def _record_of(tag: dict[str, Any]) -> str:
    """The record that a tag is about, whether it targets the record or an image of it."""
    target = tag.get("target")
    about = target.get("scope") if isinstance(target, dict) else target
    return parse_record_id(str(about))


def _said_by_records(
    search: EuropeanaApi, record_ids: Sequence[str], concept_uri: str
) -> Iterator[str]:
    """The records whose metadata has the concept."""
    says = " OR ".join(f'{field}:"{concept_uri}"' for field in _SAYS)
    listed = " OR ".join(f'"{each}"' for each in record_ids)
    query = SearchQuery(query=f"europeana_id:({listed})", refinements=(says,), profile="minimal")
    for record in search.search_page(query).records:
        yield record.id
