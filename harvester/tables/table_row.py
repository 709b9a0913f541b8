"""A row of a table that was made by hand, in whichever form the table came."""

from dataclasses import dataclass

MAX_ROW = 100_000  # characters; the csv module refuses cells of more than 131,072


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row and the line on which it begins, from 1; a row of a text may have several lines.

    `problem` says why there are no cells, in a phrase and a detail. `is_recoded`: the bytes are not
    UTF-8, and were read as Windows-1252.
    """

    line: int
    cells: tuple[str, ...]
    problem: tuple[str, str] | None = None
    is_recoded: bool = False
