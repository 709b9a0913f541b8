"""Europeana's Search and Record APIs, and the look-up of many records by their IDs.

Search is asked with the standard profile: the minimal one lacks `edmConcept`, without which only
the concept that was searched for would be known of a record. Search finds a hundred IDs a request;
the Record API is asked for those that it misses.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from common.errors import RecordError, UnknownFormError
from common.europeana.metadata import (
    RecordAnswer,
    RecordMetadata,
    SearchAnswer,
    parse_answer,
)
from common.europeana.transport import ApiTransport
from common.reasons import Reason

__all__ = ["EuropeanaApi", "RecordMetadata", "SearchPage", "SearchQuery", "concept_refinement"]
SEARCH = "/record/v2/search.json"
FIRST_PAGE = "*"
MAX_ROWS = 100  # the API silently cuts a page to this
MAX_QUERY = 6000  # characters once encoded; gateways commonly refuse URLs longer than 8 KiB


@dataclass(frozen=True, kw_only=True)
class SearchQuery:
    """A search and its order; a cursor is valid only with the same query.

    `europeana_id` is the cheapest stable order. A random one is `random_SEED,europeana_id`. Without
    a seed the server shuffles again for each page; without the ID, records at equal positions are
    lost.
    """

    query: str = "*"
    refinements: tuple[str, ...] = ()
    reusability: tuple[str, ...] = ()
    sort: str = "europeana_id"
    profile: str = "standard"

    def parameters(self) -> list[tuple[str, str]]:
        return [
            ("query", self.query),
            *(("qf", refinement) for refinement in self.refinements),
            *([("reusability", ",".join(self.reusability))] if self.reusability else []),
            ("sort", self.sort),
            ("profile", self.profile),
        ]


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """Some records of a search; `next_cursor` is None on the last page."""

    records: tuple[RecordMetadata, ...]
    next_cursor: str | None
    total: int


class EuropeanaApi(ApiTransport):
    """The Search and Record APIs; every call raises what `ApiTransport.get` raises."""

    def search_page(
        self, query: SearchQuery, cursor: str = FIRST_PAGE, *, rows: int = MAX_ROWS
    ) -> SearchPage:
        """The page of a search that a cursor points to; `rows` may change between pages.

        Raises:
            ApiError: the response has another form than we know.
        """
        parameters = [*query.parameters(), ("rows", str(rows)), ("cursor", cursor)]
        page = parse_answer(SearchAnswer, self.get(SEARCH, parameters).body, "Search API")
        is_last = page.next_cursor == cursor or not page.items
        return SearchPage(
            records=tuple(item.metadata() for item in page.items),
            next_cursor=None if is_last else page.next_cursor,
            total=page.total_results,
        )

    def search(self, query: SearchQuery, cursor: str = FIRST_PAGE) -> Iterator[SearchPage]:
        following: str | None = cursor
        while following is not None:
            page = self.search_page(query, following)
            following = page.next_cursor
            yield page

    def count(self, query: SearchQuery) -> int:
        """How many records a search finds.

        Raises:
            ApiError: the response has another form than we know.
        """
        parameters = [*query.parameters(), ("rows", "0")]
        body = self.get(SEARCH, parameters).body
        return parse_answer(SearchAnswer, body, "Search API").total_results

    def search_ids(self, record_ids: Iterable[str]) -> Iterator[RecordMetadata]:
        """The records that Search finds by exactly these IDs, up to 100 a request.

        Moved records are not among them; `record` finds them.
        """
        for batch in query_batches(record_ids):
            query = SearchQuery(query=_any_of("europeana_id", batch))
            yield from self.search_page(query).records

    def record(self, record_id: str) -> RecordMetadata:
        """One record; the result has another ID if Europeana has moved it.

        Raises:
            RecordError: the record is deleted or unknown.
            ApiError: the response has another form than we know.
        """
        response = self.get(f"/record/v2{record_id}.json", also=(404, 410))
        if response.status == 404:
            raise Reason.UNKNOWN_RECORD.error(f"Europeana has no record {record_id}")
        if response.status == 410:
            raise Reason.DELETED.error(f"Europeana has deleted record {record_id}")
        return parse_answer(RecordAnswer, response.body, "Record API").object.metadata()


def concept_refinement(uris: Iterable[str]) -> str:
    """A refinement to records that have at least one of these concepts."""
    return _any_of("skos_concept", uris)


def _any_of(field: str, values: Iterable[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return f"{field}:{quoted[0]}" if len(quoted) == 1 else f"{field}:({' OR '.join(quoted)})"


def query_batches(values: Iterable[str]) -> Iterator[list[str]]:
    """The values in parts of which each fits into one query."""
    batch: list[str] = []
    length = 0
    for value in values:
        added = len(quote(f'"{value}" OR ', safe=""))
        if batch and (len(batch) == MAX_ROWS or length + added > MAX_QUERY):
            yield batch
            batch, length = [], 0
        batch.append(value)
        length += added
    if batch:
        yield batch


@dataclass(frozen=True)
class LookUp:
    """The result for each ID that was asked for: it is in `found` or in `gone`."""

    found: Mapping[str, RecordMetadata]
    gone: Mapping[str, RecordError]

    @property
    def moved(self) -> dict[str, str]:
        """Former ID to present ID, for every record that has moved."""
        return {asked: told.id for asked, told in self.found.items() if told.id != asked}


def look_up(api: EuropeanaApi, record_ids: Sequence[str]) -> LookUp:
    """Ask for records; moved ones are found under their present ID.

    A record whose response has an unknown form is in `gone`; the others are not affected.

    Raises:
        ApiError: an API cannot be asked; then nothing is known of any record.
    """
    found = {record.id: record for record in api.search_ids(record_ids)}
    gone: dict[str, RecordError] = {}
    for record_id in record_ids:
        if record_id in found:
            continue
        try:
            found[record_id] = api.record(record_id)
        except RecordError as error:
            gone[record_id] = error
        except UnknownFormError as error:
            gone[record_id] = Reason.UNREADABLE_ANSWER.error(str(error))
    return LookUp({asked: found[asked] for asked in record_ids if asked in found}, gone)
