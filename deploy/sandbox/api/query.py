"""The query language, as far as it is understood: `parse_query` turns a text into a test of items.

    *   *:*   TYPE:IMAGE   DATA_PROVIDER:"House of Crafts"   skos_concept:("URI" OR "URI")
    europeana_id:("/a/b" OR "/c/d")   timestamp_update:[2024-01-01T00:00:00Z TO *]
    provider_aggregation_edm_isShownBy:*   "URI"   (A AND B)   (A OR B)   A B

Everything else is refused rather than guessed at: free text, NOT, wildcards, boosts, unquoted
values with punctuation, and AND next to OR without parentheses, which Solr reads in surprising
ways. Syntax: https://europeana.atlassian.net/wiki/spaces/EF/pages/2385739812 (Search API).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from deploy.sandbox.catalogue import Item

Test = Callable[[Item], bool]

FIELDS: dict[str, Callable[[Item], Sequence[str]]] = {
    "europeana_id": lambda item: (item.id,),
    "TYPE": lambda item: (item.type,),
    "RIGHTS": lambda item: (item.rights,),
    "DATA_PROVIDER": lambda item: (item.data_provider,),
    "PROVIDER": lambda item: (item.provider,),
    "COUNTRY": lambda item: (item.country,),
    "skos_concept": lambda item: item.concepts,
    "provider_aggregation_edm_isShownBy": lambda item: ("shown",) if item.shown_by else (),
}
ONLY_EXISTENCE = {"provider_aggregation_edm_isShownBy"}
INSTANT = r"(?:\*|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z)"  # as Solr wants them
TOKEN = re.compile(
    rf"""\s*(?:
        (?P<range>timestamp_update:\[\s*{INSTANT}\s+TO\s+{INSTANT}\s*\])
        | (?P<everything>\*:\*|\*(?=[\s)]|$))
        | (?P<field>[A-Za-z_]+:)
        | (?P<phrase>"[^"\\]*")
        | (?P<operator>(?:AND|OR)(?![A-Za-z0-9_]))
        | (?P<open>\()
        | (?P<close>\))
        | (?P<word>[A-Za-z0-9_]+(?=[\s)]|$))
    )\s*""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """The query is malformed, or uses a part of the language that the sandbox does not have."""


@dataclass(frozen=True)
class Query:
    """What passes, and, where the query names them, the only IDs that can."""

    test: Test
    ids: frozenset[str] | None = None


def parse_query(text: str) -> Query:
    """The meaning of one `query` or `qf`.

    Raises:
        QueryError: says at which part of the text.
    """
    return _Parser(text).parse()


def all_of(queries: Iterable[Query]) -> Query:
    """What passes every one of the queries."""
    parts = list(queries)
    if len(parts) == 1:
        return parts[0]
    tests = [part.test for part in parts]
    named = [part.ids for part in parts if part.ids is not None]
    ids = frozenset.intersection(*named) if named else None
    return Query(lambda item: all(test(item) for test in tests), ids)


def _any_of(parts: list[Query]) -> Query:
    tests = [part.test for part in parts]
    named = [part.ids for part in parts if part.ids is not None]
    ids = frozenset.union(*named) if len(named) == len(parts) else None
    return Query(lambda item: any(test(item) for test in tests), ids)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def parse(self) -> Query:
        query = self._parse_joined(self._parse_part)
        self._expect("end")
        return query

    def _parse_joined(self, parse_part: Callable[[], Query]) -> Query:
        """Parts joined by AND, by OR, or by nothing, which means AND."""
        parts, operators = [parse_part()], set()
        while self._kind() not in ("end", "close"):
            operators.add(self._take().text if self._kind() == "operator" else "AND")
            parts.append(parse_part())
        if len(operators) > 1:
            raise QueryError("AND and OR side by side need parentheses.")
        return _any_of(parts) if operators == {"OR"} else all_of(parts)

    def _parse_part(self) -> Query:
        token = self._take()
        if token.kind == "open":
            inner = self._parse_joined(self._parse_part)
            self._expect("close")
            return inner
        if token.kind == "everything":
            return Query(lambda item: True)
        if token.kind == "range":
            return _updated_within(token.text)
        if token.kind == "field":
            return self._parse_field(token.text)
        if token.kind == "phrase" and token.text.startswith('"http'):
            return _has_value("skos_concept", token.text.strip('"'))
        raise _not_understood(token)

    def _parse_field(self, name: str) -> Query:
        if name not in FIELDS:
            raise QueryError(f"the sandbox has no field {name}; it has {', '.join(FIELDS)}.")
        if self._kind() == "everything":
            self._take()
            return Query(lambda item: bool(FIELDS[name](item)))
        if self._kind() != "open":
            return self._parse_value(name)
        self._take()
        values = self._parse_joined(lambda: self._parse_value(name))
        self._expect("close")
        return values

    def _parse_value(self, name: str) -> Query:
        token = self._take()
        if token.kind not in ("phrase", "word") or name in ONLY_EXISTENCE:
            raise _not_understood(token)
        return _has_value(name, token.text.strip('"'))

    def _kind(self) -> str:
        return self._tokens[self._at].kind

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _expect(self, kind: str) -> None:
        token = self._take()
        if token.kind != kind:
            raise _not_understood(token)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text.rstrip()):
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _not_understood(_Token("unknown", text[position:], position))
        kind = match.lastgroup
        yield _Token(kind, match[kind].rstrip(":") if kind == "field" else match[kind], position)
        position = match.end()
    yield _Token("end", "", position)


def _not_understood(token: _Token) -> QueryError:
    if token.kind == "end":
        return QueryError("the query ends too early.")
    return QueryError(f"{token.text!r} at character {token.position + 1} is not understood.")


def _has_value(name: str, value: str) -> Query:
    values = FIELDS[name]
    ids = frozenset({value}) if name == "europeana_id" else None
    return Query(lambda item: value in values(item), ids)


def _updated_within(text: str) -> Query:
    start, end = text[text.index("[") + 1 : -1].split("TO")
    first = _seconds(start.strip(), open_end=float("-inf"))
    last = _seconds(end.strip(), open_end=float("inf"))
    return Query(lambda item: first <= item.updated <= last)


def _seconds(instant: str, *, open_end: float) -> float:
    if instant == "*":
        return open_end
    try:
        return datetime.fromisoformat(instant).timestamp()
    except ValueError as error:
        raise QueryError(f"{instant!r} is not a date and time.") from error
