"""The languages that a reader wants labels in, best first."""

import re
from contextvars import ContextVar

from common.errors import UsageError
from common.vocabulary.concepts import LANGUAGE

MOST = 20  # of a browser
READER: ContextVar[tuple[str, ...]] = ContextVar("READER", default=())
"""The languages of the reader for whom this thread makes a page."""


def wanted_languages(accepted: str) -> list[str]:
    """The languages of an Accept-Language header, or of a list such as `de,fr`.

    A regional language is followed by the language itself: `de-AT` by `de`. What is malformed is
    left out. See RFC 9110, section 12.5.4.
    """
    found: list[tuple[float, str]] = []
    for part in accepted.split(",")[:MOST]:
        tag, _, weight = part.strip().lower().partition(";q=")
        if LANGUAGE.fullmatch(tag) and (quality := _quality(weight)):
            found.append((-quality, tag))
    ordered = [tag for _, tag in sorted(found, key=lambda each: each[0])]
    return list(dict.fromkeys(each for tag in ordered for each in (tag, tag.partition("-")[0])))


def checked_languages(text: str) -> list[str]:
    """Raises UsageError: there is not a language in the text."""
    if found := wanted_languages(text):
        return found
    raise UsageError(
        f"{text!r} is not a language. Give tags such as de or pt-BR, separated by commas."
    )


def _quality(weight: str) -> float:
    if not weight:
        return 1.0
    return float(weight) if re.fullmatch(r"[01](\.[0-9]{0,3})?", weight.strip()) else 0.0
