"""How far the search for a concept has come.

A concept with so many URIs that one query cannot name them is searched in parts. The parts advance
together, so that records of all of them come even if few are asked for.
"""

import json
from dataclasses import dataclass, replace

from common.europeana.api import FIRST_PAGE, MAX_ROWS


@dataclass(frozen=True, kw_only=True)
class PartPosition:
    """The progress of a part; `cursor` is None after the last page."""

    cursor: str | None = FIRST_PAGE
    taken: int = 0


@dataclass(frozen=True)
class SearchPosition:
    """The progress of all parts of a search."""

    parts: tuple[PartPosition, ...]

    @classmethod
    def at_start(cls, parts: int) -> "SearchPosition":
        return cls((PartPosition(),) * parts)

    @classmethod
    def from_stored(cls, cursor: str | None, taken: int, *, parts: int) -> "SearchPosition":
        """The position that `stored` gave."""
        if parts == 1:
            return cls((PartPosition(cursor=cursor, taken=taken),))
        each = json.loads(cursor) if cursor else [(None, taken)] + [(None, 0)] * (parts - 1)
        return cls(tuple(PartPosition(cursor=cursor, taken=taken) for cursor, taken in each))

    def stored(self) -> tuple[str | None, int]:
        """The cursor and the number of records, as the store keeps them."""
        if len(self.parts) == 1 or self.is_finished:
            return self.parts[0].cursor, self.taken
        return json.dumps([(part.cursor, part.taken) for part in self.parts]), self.taken

    @property
    def taken(self) -> int:
        return sum(part.taken for part in self.parts)

    @property
    def is_finished(self) -> bool:
        return all(part.cursor is None for part in self.parts)

    def next_page(self, target: int) -> tuple[int, int] | None:
        """The number of the part that goes on, and how many records; None: nothing is to do.

        It is the part with the fewest records, up to what each must give.
        """
        going = [number for number, part in enumerate(self.parts) if part.cursor is not None]
        missing = target - self.taken
        if not going or missing <= 0:
            return None
        least = min(going, key=lambda number: self.parts[number].taken)
        level = -(-(missing + sum(self.parts[number].taken for number in going)) // len(going))
        return least, min(MAX_ROWS, missing, level - self.parts[least].taken)

    def after(self, number: int, cursor: str | None, taken: int) -> "SearchPosition":
        """The position after a page of a part, of which some records were taken."""
        parts = list(self.parts)
        before = parts[number].taken
        parts[number] = replace(parts[number], cursor=cursor, taken=before + taken)
        return SearchPosition(tuple(parts))
