"""The order of search results, and the cursor that remembers a place in it.

As Europeana's servers do it:
- A field without a direction sorts descending, `sort=europeana_id` too.
- Without `sort`, results come by `timestamp_update` descending, then `europeana_id` ascending
  (score and tiers, which Europeana sorts by first, are the same for all items here).
- A caller's sort is not completed. Ties keep the order of the index; with a cursor, a sort without
  the unique `europeana_id` is refused.
- `random_SEED` is a stable order. `random` gets a new seed at every request, so that pages of one
  harvest repeat some items and miss others.
- A cursor holds the sort values of the last item seen and no state on the server. It is Base64
  with `+`, `/` and `=`, so that one that was not percent-encoded arrives broken. A cursor of
  another query or sort is refused here, lest it skip items silently.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import total_ordering
from typing import Any

from deploy.sandbox.catalogue import Item

DIRECTIONS = {"asc": False, "ascending": False, "desc": True, "descending": True}
SAME_FOR_ALL = {"score", "COMPLETENESS"}
CURSOR_START = base64.b64decode("AoE/+/+/")  # a cursor always has characters that need encoding

Value = str | int
Key = tuple[Any, ...]


class OrderError(ValueError):
    """The sort is malformed, or names a field that the sandbox cannot sort by."""


class CursorError(ValueError):
    """Not a cursor of this query and sort."""


@total_ordering
@dataclass(frozen=True)
class _Descending:
    """A value that sorts the other way round."""

    value: Any

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)


@dataclass(frozen=True)
class Order:
    """The sort of one request: its fields and directions, most important first."""

    fields: tuple[tuple[str, bool], ...]  # name, descending

    @property
    def is_unique(self) -> bool:
        """Whether no two items can change places."""
        return any(name == "europeana_id" for name, _ in self.fields)

    def key(self, item: Item) -> Key:
        """What `sorted` compares."""
        return self._comparable([_value(name, item) for name, _ in self.fields])

    def cursor_after(self, item: Item, *, search: str) -> str:
        """The cursor that continues behind an item; `search` stands for query and sort."""
        values = [_value(name, item) for name, _ in self.fields]
        text = json.dumps([_digest(search), *values], separators=(",", ":"))
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
            digest, *values = json.loads(content)
        except (binascii.Error, ValueError, TypeError) as error:
            raise CursorError(cursor) from error
        if digest != _digest(search) or len(values) != len(self.fields):
            raise CursorError(cursor)
        return bisect_right(items, self._comparable(values), key=self.key)

    def _comparable(self, values: Sequence[Value]) -> Key:
        return tuple(
            _Descending(value) if descending else value
            for value, (_, descending) in zip(values, self.fields, strict=True)
        )


DEFAULT_ORDER = Order((("timestamp_update", True), ("europeana_id", False)))


def parse_order(text: str) -> Order:
    """The meaning of `sort`: fields split by comma, plus or space, each with its direction.

    Raises:
        OrderError: a field or direction is unknown.
    """
    fields: list[tuple[str, bool]] = []
    for word in re.findall(r"[^\s,+]+", text):
        if word.lower() in DIRECTIONS and fields:
            fields[-1] = (fields[-1][0], DIRECTIONS[word.lower()])
        elif word == "random":
            fields.append((f"random_{secrets.token_hex(6)}", True))
        elif word in _VALUES or word in SAME_FOR_ALL or re.fullmatch(r"random_\w+", word):
            fields.append((word, True))
        else:
            raise OrderError(f"cannot sort by {word!r}.")
    return Order(tuple(fields)) if fields else DEFAULT_ORDER


_VALUES: dict[str, Callable[[Item], Value]] = {
    "europeana_id": lambda item: item.id,
    "timestamp_update": lambda item: item.updated,
    "timestamp_created": lambda item: item.updated,
}


def _value(name: str, item: Item) -> Value:
    if name in _VALUES:
        return _VALUES[name](item)
    if name in SAME_FOR_ALL:
        return 0
    return int.from_bytes(hashlib.md5(f"{name}{item.id}".encode()).digest()[:6])


def _digest(search: str) -> str:
    return hashlib.md5(search.encode()).hexdigest()[:8]
