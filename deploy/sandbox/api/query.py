"""The part of the query language that the product uses: `parse_query` makes a test of items.

    *   TYPE:IMAGE   skos_concept:"URI"   skos_concept:("URI" OR "URI")   europeana_id:"/a/b"
    skos_concept:"URI" OR proxy_dc_type:"URI"

All other queries are refused. Syntax:
https://europeana.atlassian.net/wiki/spaces/EF/pages/2385739812 (Search API).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deploy.sandbox.catalogue import Item

FIELDS: dict[str, Callable[[Item], Sequence[str]]] = {
    "europeana_id": lambda item: (item.id,),
    "TYPE": lambda item: (item.type,),
    "skos_concept": lambda item: item.concepts,
    "proxy_dc_type": lambda item: item.concepts,
    "proxy_dc_subject": lambda item: (),
}
_VALUE = r'"[^"\\]*"|\w+'
_FIELD = re.compile(rf"({'|'.join(FIELDS)}):(?:({_VALUE})|\(((?:{_VALUE})(?: OR (?:{_VALUE}))*)\))")


class QueryError(ValueError):
    """The query is malformed, or uses a part of the language that the sandbox does not have."""


@dataclass(frozen=True)
class Query:
    """A test of items, and the only IDs that can pass if the query names IDs."""

    test: Callable[[Item], bool]
    ids: frozenset[str] | None = None


def parse_query(text: str) -> Query:
    """The meaning of one `query` or `qf`.

    Raises:
        QueryError: the sandbox does not understand it.
    """
    if text.strip() == "*":
        return Query(lambda item: True)
    if len(parts := re.split(r" OR (?=\w+:)", text)) > 1:
        anything = [parse_query(part) for part in parts]
        return Query(lambda item: any(part.test(item) for part in anything))
    match = _FIELD.fullmatch(text.strip())
    if match is None:
        raise QueryError(f"the sandbox does not understand {text!r}.")
    name, one, several = match.groups()
    wanted = frozenset(value.strip('"') for value in re.findall(_VALUE, one or several))
    if several:
        wanted -= {"OR"}
    values = FIELDS[name]
    ids = wanted if name == "europeana_id" else None
    return Query(lambda item: not wanted.isdisjoint(values(item)), ids)


def all_of(queries: Iterable[Query]) -> Query:
    """A query for items that pass all of the queries."""
    parts = list(queries)
    named = [part.ids for part in parts if part.ids is not None]
    ids = frozenset.intersection(*named) if named else None
    return Query(lambda item: all(part.test(item) for part in parts), ids)
