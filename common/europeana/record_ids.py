"""Record identifiers: one form inside, three forms accepted from outside.

Inside a record is `/dataset/local`. Item URIs (`http://data.europeana.eu/item/dataset/local`) and
portal URLs (`https://www.europeana.eu/en/item/dataset/local?q=...`) are accepted on input.
Syntax: https://europeana.atlassian.net/wiki/spaces/EF/pages/2385674279 (Record API).
"""

import re

from common.errors import InvalidRecordIdError

ITEM_URI = "http://data.europeana.eu/item"
MAX_LENGTH = 512  # characters; the longest seen in 14,458 harvested records has 124

_RECORD_ID = re.compile(r"/[A-Za-z0-9_]+/[A-Za-z0-9_]+")
_WEB_PREFIX = re.compile(
    r"https?://(?:data\.europeana\.eu/item"
    r"|(?:www\.)?europeana\.eu/(?:[a-z]{2}/item|item|portal/(?:[a-z]{2}/)?record|resolve/record))(?=/)"
)


def parse_record_id(text: str) -> str:
    """The record ID in a text that holds an ID, an item URI or a portal URL.

    Raises:
        InvalidRecordIdError: the text is none of the three.
    """
    candidate = text.strip()
    if prefix := _WEB_PREFIX.match(candidate):
        path = re.split(r"[?#]", candidate[prefix.end() :], maxsplit=1)[0]
        candidate = path.removesuffix(".html")
    if len(candidate) > MAX_LENGTH:
        raise InvalidRecordIdError(f"{candidate[:40]!r}... is too long to be a record ID.")
    if not _RECORD_ID.fullmatch(candidate):
        raise InvalidRecordIdError(
            f"{candidate!r} is no record ID; expected /dataset/local, an item URI or a portal URL."
        )
    return candidate


def item_uri(record_id: str) -> str:
    """The linked-data URI of a record; always http, as Europeana coins it."""
    return ITEM_URI + record_id
