"""Searches in annotations: the part of the query language that a client needs.

    *:*   target_record_id:"/a/b" AND body_uri:"URI"   moderation_score:[* TO -1]
    target_record_id:("/a/b" OR "/c/d")

Other fields and forms are refused rather than guessed at. There is no field for `canonical`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from urllib.parse import urlencode

from aiohttp import web

from deploy.sandbox.annotations.forms import Json, invalid
from deploy.sandbox.annotations.store import (
    ANNOTATION_CONTEXT,
    AnnotationStore,
    StoredAnnotation,
    Term,
)

FIELDS = {"target_record_id", "body_uri", "creator_uri", "generator_uri", "motivation"}
SEARCH_PARAMETERS = {"wskey", "query", "qf", "page", "pageSize", "profile"}
LARGEST_PAGES = {"standard": 100, "minimal": 10_000}  # larger ones are cut without a word
DEFAULT_PAGE_SIZE = 10
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_TERM = rf"(\w+):({_QUOTED}|\({_QUOTED}(?: OR {_QUOTED})*\)|\[\S+ TO \S+\]|[\w*-]+)"
_QUERY = re.compile(rf"{_TERM}(?: AND {_TERM})*")
_RANGE = re.compile(r"\[(\*|-?\d+) TO (\*|-?\d+)\]|(-?\d+)")


@dataclass(frozen=True)
class AnnotationQuery:
    """The terms of which one each must be there, and the ranges of the moderation score."""

    terms: Sequence[Sequence[Term]]
    scores: Sequence[tuple[float, float]]

    def find(self, store: AnnotationStore) -> list[StoredAnnotation]:
        found = {one.number: one for terms in product(*self.terms) for one in store.find(terms)}
        return [
            found[number]
            for number in sorted(found)
            if all(low <= found[number].score <= high for low, high in self.scores)
        ]


def parse_annotation_query(texts: Sequence[str]) -> AnnotationQuery:
    """The meaning of `query` and all `qf`.

    Raises:
        RequestRefusedError: 400, a text is not understood or names an unknown field.
    """
    terms: list[list[Term]] = []
    scores: list[tuple[float, float]] = []
    for text in texts:
        if text in ("*:*", "*"):
            continue
        if not _QUERY.fullmatch(text):
            raise invalid(f"The query is not understood: {text}")
        for field, value in re.findall(_TERM, text):
            if field == "moderation_score":
                scores.append(_range(value))
            elif field in FIELDS:
                terms.append([(field, each) for each in _values(value)])
            else:
                raise invalid(f"Undefined field {field}")
    return AnnotationQuery(terms, scores)


def _values(value: str) -> list[str]:
    """The value of a term, or the several of which one must be there."""
    quoted = re.findall(_QUOTED, value) or [value]
    return [re.sub(r"\\(.)", r"\1", each.strip('"')) for each in quoted]


def _range(value: str) -> tuple[float, float]:
    match = _RANGE.fullmatch(value)
    if match is None:
        raise invalid(f"moderation_score is a number or a range, not {value}")
    low, high, exact = match.groups()
    if exact:
        return float(exact), float(exact)
    return float(low.replace("*", "-inf")), float(high.replace("*", "inf"))


def search_page(request: web.Request, store: AnnotationStore) -> Json:
    """The AnnotationPage that answers a search.

    Raises:
        RequestRefusedError: 400, a parameter is wrong.
    """
    parameters = request.query
    if unknown := parameters.keys() - SEARCH_PARAMETERS:
        raise invalid(f"the sandbox has no parameter {min(unknown)}")
    query = parameters.get("query", "").strip()
    if not query:
        raise invalid("Parameter value must not be empty! query")
    profile = parameters.get("profile", "standard")
    if profile not in LARGEST_PAGES:
        raise invalid(f"the profile is minimal or standard, not {profile}")
    page = whole_number(request, "page", 0)
    size = min(whole_number(request, "pageSize", DEFAULT_PAGE_SIZE), LARGEST_PAGES[profile])
    found = parse_annotation_query([query, *parameters.getall("qf", [])]).find(store)
    shown = found[page * size : (page + 1) * size]
    items = [one.id for one in shown] if profile == "minimal" else [_item(one) for one in shown]
    answer: Json = {
        "@context": ANNOTATION_CONTEXT,
        "id": _page_uri(request, page),
        "type": "AnnotationPage",
        "total": len(shown),
        "partOf": {"id": _page_uri(request, None), "total": len(found)},
    }
    if items:
        answer["items"] = items
    if page > 0:
        answer["prev"] = _page_uri(request, page - 1)
    if (page + 1) * size < len(found):
        answer["next"] = _page_uri(request, page + 1)
    return answer


def whole_number(request: web.Request, name: str, default: int) -> int:
    """A parameter that is a whole number from 0.

    Raises:
        RequestRefusedError: 400, it is something else.
    """
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise invalid(f"{name} is a whole number, not {text!r}")
    return int(text)


def _item(annotation: StoredAnnotation) -> Json:
    return {name: value for name, value in annotation.document().items() if name != "@context"}


def _page_uri(request: web.Request, page: int | None) -> str:
    kept = [(name, value) for name, value in request.query.items() if name not in ("wskey", "page")]
    if page is not None:
        kept.append(("page", str(page)))
    return f"{request.url.origin()}{request.path}?{urlencode(kept)}"
