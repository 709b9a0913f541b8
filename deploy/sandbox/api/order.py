"""The order of search results, and the cursor for a place in it.

Like Europeana's servers:
- `europeana_id` and `random_SEED,europeana_id` sort descending; a seed's order is stable.
- A cursor has the sort values of the last item seen; the server has no state. It is Base64 with
  `+`, `/` and `=`, so a cursor without percent-encoding arrives broken. A cursor of another query
  or sort is refused here, so that it does not skip items silently.
"""

import base64
import binascii
import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.sandbox.catalogue import Item

CURSOR_START = base64.b64decode("AoE/+/+/")  # a cursor always has characters that need encoding
_SORT = re.compile(r"(?:(random_\w+),)?europeana_id")


class OrderError(ValueError):
    """The sandbox does not have this sort."""


class CursorError(ValueError):
    """Not a cursor of this query and sort."""


@dataclass(frozen=True)
class Order:
    """The sort of one request; `seed` is empty if only IDs count."""

    seed: str

    def key(self, item: Item) -> tuple[int, str]:
        """The sort key, descending."""
        digest = hashlib.md5(f"{self.seed}{item.id}".encode()).digest()
        return (int.from_bytes(digest[:6]) if self.seed else 0), item.id

    def cursor_after(self, item: Item, *, search: str) -> str:
        """The cursor that continues after an item; `search` identifies query and sort."""
        text = json.dumps([_digest(search), *self.key(item)], separators=(",", ":"))
        text += " " * (len(text) % 3 == 0)  # so that Base64 ends in =
        return base64.b64encode(CURSOR_START + text.encode()).decode()

    def place_of(self, cursor: str, items: Sequence[Item], *, search: str) -> int:
        """The number of sorted items that the cursor has passed.

        Raises:
            CursorError: it is damaged, or belongs to another query or sort.
        """
        if cursor == "*":
            return 0
        try:
            content = base64.b64decode(cursor, validate=True).removeprefix(CURSOR_START)
            digest, place, record_id = json.loads(content)
        except (binascii.Error, ValueError, TypeError) as error:
            raise CursorError(cursor) from error
        if digest != _digest(search):
            raise CursorError(cursor)
        return len(items) - bisect_left(items[::-1], (place, record_id), key=self.key)


def parse_order(text: str) -> Order:
    """The meaning of `sort`.

    Raises:
        OrderError: it has another form.
    """
    match = _SORT.fullmatch(text)
    if match is None:
        raise OrderError(f"cannot sort by {text!r}.")
    return Order(match[1] or "")


def _digest(search: str) -> str:
    return hashlib.md5(search.encode()).hexdigest()[:8]
