"""The Search API: `search.json` with query, refinements, reusability, sort, pages and its refusals.

Codes of errors are those of Europeana's own server. Parameters that the product does not send are
refused, not ignored.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from deploy.sandbox.addresses import Addresses
from deploy.sandbox.api.keys import KEY
from deploy.sandbox.api.order import CursorError, Order, OrderError, parse_order
from deploy.sandbox.api.query import Query, QueryError, all_of, parse_query
from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.api.rights import REUSABILITY
from deploy.sandbox.catalogue import Catalogue, Item

PARAMETERS = {"wskey", "query", "qf", "reusability", "sort", "profile", "rows", "cursor"}
DEFAULT_ROWS = 12
MOST_ROWS = 100  # the server cuts more without an error
KEPT_RESULTS = 8  # sorted result lists in memory, for the next pages


@dataclass(frozen=True)
class Filters:
    """The conditions for items."""

    query: str
    refinements: tuple[str, ...]
    reusability: tuple[str, ...]


class SearchApi:
    """Answers searches over one catalogue."""

    def __init__(self, catalogue: Catalogue, addresses: Addresses) -> None:
        self._catalogue = catalogue
        self._addresses = addresses
        self._results: OrderedDict[tuple[Filters, Order], list[Item]] = OrderedDict()

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of `search.json`.

        Raises:
            RequestRefusedError: a parameter is wrong.
        """
        parameters = request.query
        if unknown := parameters.keys() - PARAMETERS:
            raise _invalid(f"the sandbox has no parameter {min(unknown)}.")
        filters, sort = _read_filters(parameters), parameters.get("sort", "europeana_id")
        cursor, rows = parameters.get("cursor"), _read_rows(parameters)
        try:
            found = self._find(filters, order := parse_order(sort))
        except (QueryError, OrderError) as error:
            raise _invalid(str(error)) from error
        search = f"{filters}{sort}"
        place = _place(found, order, cursor, search)
        items = found[place : place + rows]
        envelope: dict[str, Any] = {"apikey": request[KEY], "success": True, "requestNumber": 999}
        envelope |= {"itemsCount": len(items), "totalResults": len(found)}
        if cursor and items:
            envelope["nextCursor"] = order.cursor_after(items[-1], search=search)
        envelope["items"] = [self._shown(item) for item in items]
        return web.json_response(envelope)

    def _find(self, filters: Filters, order: Order) -> list[Item]:
        known = self._results.get((filters, order))
        if known is None:
            query = _compile(filters)
            passing = (item for item in self._candidates(query) if query.test(item))
            known = sorted(passing, key=order.key, reverse=True)
            self._results[filters, order] = known
            if len(self._results) > KEPT_RESULTS:
                self._results.popitem(last=False)
        return known

    def _candidates(self, query: Query) -> Sequence[Item]:
        if query.ids is None:
            return self._catalogue.items
        return [item for name in sorted(query.ids) if (item := self._catalogue.find(name))]

    def _shown(self, item: Item) -> dict[str, Any]:
        """An item with the members that the product reads, without empty ones."""
        members = {
            "id": item.id,
            "type": item.type,
            "title": [text for texts in item.title.values() for text in texts],
            "edmIsShownBy": [self._addresses.media_url(item)] if item.shown_by else [],
            "edmPreview": [self._addresses.preview_url(item)],
            "edmConcept": list(item.concepts),
            "dataProvider": [item.data_provider],
            "rights": [item.rights],
        }
        return {name: value for name, value in members.items() if value}


def _invalid(detail: str) -> RequestRefusedError:
    return RequestRefusedError(400, "Invalid search query", code="400-SA", message=detail)


def _read_filters(parameters: MultiMapping[str]) -> Filters:
    query = parameters.get("query", "").strip()
    if not query:
        raise RequestRefusedError(400, "Empty search query parameter", code="400-SE")
    return Filters(
        query=query,
        refinements=tuple(parameters.getall("qf", [])),
        reusability=tuple(filter(None, parameters.get("reusability", "").split(","))),
    )


def _read_rows(parameters: MultiMapping[str]) -> int:
    text = parameters.get("rows", str(DEFAULT_ROWS))
    if not text.isdecimal():
        raise _invalid(f"rows is a number, not {text!r}.")
    return min(int(text), MOST_ROWS)


def _compile(filters: Filters) -> Query:
    parts = [parse_query(text) for text in (filters.query, *filters.refinements)]
    if filters.reusability:
        parts.append(_reusable(filters.reusability))
    return all_of(parts)


def _reusable(categories: Sequence[str]) -> Query:
    unknown = [name for name in categories if name not in REUSABILITY]
    if unknown:
        raise QueryError(f"reusability must be open, restricted or permission, not {unknown[0]!r}.")
    prefixes = tuple(prefix for name in categories for prefix in REUSABILITY[name])
    return Query(lambda item: item.rights.startswith(prefixes))


def _place(found: Sequence[Item], order: Order, cursor: str | None, search: str) -> int:
    if cursor is None:
        return 0
    try:
        return order.place_of(cursor, found, search=search)
    except CursorError as error:
        advice = "Please make sure you encode the cursor value before sending it to the API."
        raise RequestRefusedError(
            400, f"Invalid cursor value. {advice}", code="400-SC", message=advice
        ) from error
