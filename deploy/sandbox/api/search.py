"""The Search API: `search.json` with query, filters, paging, profiles and its refusals.

Codes and texts of errors as in Europeana's own server; parameters that would change the result
and that the sandbox does not have are refused, not ignored.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from multidict import MultiMapping

from deploy.sandbox.addresses import Addresses
from deploy.sandbox.api.keys import KEY
from deploy.sandbox.api.order import CursorError, Order, OrderError, parse_order
from deploy.sandbox.api.query import Query, QueryError, all_of, parse_query
from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.api.rights import REUSABILITY
from deploy.sandbox.api.search_item import PROFILES, Json, search_item
from deploy.sandbox.catalogue import Catalogue, Item

DEFAULT_ROWS = 12
MOST_ROWS = 100  # more are cut without a word
LAST_WITHOUT_CURSOR = 1000
NOT_HERE = (
    "theme", "facet", "landingpage", "text_fulltext", "colourpalette", "boost", "lang",
    "q.source", "q.target", "callback", "hit.fl",
)  # fmt: skip
KEPT_RESULTS = 8  # sorted result lists that are remembered, for the next pages


@dataclass(frozen=True)
class Page:
    """Which part of the results is asked for."""

    rows: int
    start: int
    cursor: str | None


@dataclass(frozen=True)
class Filters:
    """What decides which items are found."""

    query: str
    refinements: tuple[str, ...]
    reusability: tuple[str, ...]
    media: bool | None
    thumbnail: bool | None


class SearchApi:
    """Answers searches over one catalogue."""

    def __init__(self, catalogue: Catalogue, addresses: Addresses) -> None:
        self._catalogue = catalogue
        self._addresses = addresses
        self._results: OrderedDict[tuple[Filters, Order], list[Item]] = OrderedDict()

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of every `search.json`.

        Raises:
            RequestRefusedError: a parameter is wrong.
        """
        parameters = request.query
        for name in NOT_HERE:
            if name in parameters:
                raise _invalid(f"the sandbox has no parameter {name}.")
        filters, page = _read_filters(parameters), _read_page(parameters)
        sort, profile = parameters.get("sort", ""), _read_profile(parameters)
        try:
            found = self._find(filters, order := parse_order(sort))
        except (QueryError, OrderError) as error:
            raise _invalid(str(error)) from error
        search = f"{filters}{sort}"
        items = _cut(found, order, page, search)
        envelope: Json = {"apikey": request[KEY], "success": True, "requestNumber": 999}
        envelope |= {"itemsCount": len(items), "totalResults": len(found)}
        if page.cursor and items:
            envelope["nextCursor"] = order.cursor_after(items[-1], search=search)
        envelope["items"] = [
            search_item(item, self._catalogue, self._addresses, profile=profile, key=request[KEY])
            for item in items
        ]
        return web.json_response(envelope)

    def _find(self, filters: Filters, order: Order) -> list[Item]:
        known = self._results.get((filters, order))
        if known is None:
            query = _compile(filters)
            candidates = self._candidates(query)
            known = sorted((item for item in candidates if query.test(item)), key=order.key)
            self._results[filters, order] = known
            if len(self._results) > KEPT_RESULTS:
                self._results.popitem(last=False)
        return known

    def _candidates(self, query: Query) -> Sequence[Item]:
        if query.ids is None:
            return self._catalogue.items
        return [item for name in sorted(query.ids) if (item := self._catalogue.find(name))]


def _invalid(detail: str) -> RequestRefusedError:
    return RequestRefusedError(400, "Invalid search query", code="400-SA", message=detail)


def _read_filters(parameters: MultiMapping[str]) -> Filters:
    query = parameters.get("query", "").strip()
    if not query:
        raise RequestRefusedError(400, "Empty search query parameter", code="400-SE")
    reusability = ",".join(parameters.getall("reusability", []))
    return Filters(
        query=query,
        refinements=tuple(text for text in parameters.getall("qf", []) if text.strip()),
        reusability=tuple(word.strip() for word in reusability.split(",") if word.strip()),
        media=_read_flag(parameters, "media"),
        thumbnail=_read_flag(parameters, "thumbnail"),
    )


def _read_flag(parameters: MultiMapping[str], name: str) -> bool | None:
    text = parameters.get(name, "").lower()
    if text not in ("", "true", "false"):
        raise _invalid(f"{name} is true or false, not {text!r}.")
    return None if not text else text == "true"


def _read_page(parameters: MultiMapping[str]) -> Page:
    rows = min(_read_number(parameters, "rows", default=DEFAULT_ROWS, least=0), MOST_ROWS)
    start = _read_number(parameters, "start", default=1, least=1)
    cursor = parameters.get("cursor")
    if cursor is not None and start > 1:
        text = "Parameters 'start' and 'cursorMark' cannot be used together"
        raise RequestRefusedError(400, text, code="400-SD", message=text)
    if cursor is None and start - 1 + rows > LAST_WITHOUT_CURSOR:
        text = (
            "It is not possible to paginate beyond the first 1000 search results."
            " Please use cursor-based pagination instead"
        )
        raise RequestRefusedError(400, text, code="400-SL", message=text)
    return Page(rows, start, cursor)


def _read_number(parameters: MultiMapping[str], name: str, *, default: int, least: int) -> int:
    text = parameters.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise _invalid(f"{name} is a number from {least} up, not {text!r}.")
    return int(text)


def _read_profile(parameters: MultiMapping[str]) -> str:
    names = [name.strip() for name in parameters.get("profile", "standard").split(",")]
    for name in names:
        if name not in PROFILES:
            raise _invalid(f"the sandbox has the profiles {', '.join(PROFILES)}, not {name!r}.")
    return max(names, key=PROFILES.index)


def _compile(filters: Filters) -> Query:
    parts = [parse_query(text) for text in (filters.query, *filters.refinements)]
    if filters.reusability:
        parts.append(_reusable(filters.reusability))
    if filters.media is not None:  # every item of the sandbox has a picture
        wanted = filters.media
        parts.append(Query(lambda item: wanted))
    if filters.thumbnail is not None:
        parts.append(Query(lambda item: item.thumbnail is filters.thumbnail))
    return all_of(parts)


def _reusable(categories: Sequence[str]) -> Query:
    unknown = [name for name in categories if name not in REUSABILITY]
    if unknown:
        raise QueryError(f"reusability is open, restricted or permission, not {unknown[0]!r}.")
    prefixes = tuple(prefix for name in categories for prefix in REUSABILITY[name])
    return Query(lambda item: item.rights.startswith(prefixes))


def _cut(found: Sequence[Item], order: Order, page: Page, search: str) -> Sequence[Item]:
    if page.cursor is None:
        return found[page.start - 1 : page.start - 1 + page.rows]
    if not order.is_unique:
        raise _invalid("Cursor functionality requires a sort by europeana_id as tie breaker.")
    try:
        place = order.place_of(page.cursor, found, search=search)
    except CursorError as error:
        advice = "Please make sure you encode the cursor value before sending it to the API."
        raise RequestRefusedError(
            400, f"Invalid cursor value. {advice}", code="400-SC", message=advice
        ) from error
    return found[place : place + page.rows]
