"""The outcome of every line of a list of records: a CSV file, from which a later run continues.

Rows are added after each batch that is in the store. A run after a crash finds the last complete
row and continues after its line.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

from common.errors import EnrichmentError, UsageError
from common.files import open_regular
from common.process.foreign_text import guard_row, unguard_cell

LineOutcome = Literal[
    "labelled", "unlabelled", "several", "no_picture", "duplicate", "deleted", "unknown",
    "rejected", "blank",
]  # fmt: skip
COLUMNS = ("line", "given", "record_id", "outcome", "detail")

_TAIL = 1 << 16  # bytes; more than any row has


@dataclass(frozen=True)
class LineFate:
    """The outcome of a line; `record_id` is the present ID of its record."""

    line: int
    given: str
    record_id: str
    outcome: str
    detail: str = ""


class ListReport:
    """The report file at `path`, made if it does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.touch()
            open_regular(path).close()  # before a pipe is waited for
            self._cut_unfinished_row()
            if path.stat().st_size == 0:
                self._write([COLUMNS])
        except OSError as error:
            raise UsageError(f"The report {path} cannot be written: {error.strerror}.") from error

    def fates(self) -> Iterator[LineFate]:
        """The rows of former runs, in order, one at a time.

        Raises:
            UsageError: the file is not such a report.
        """
        with self.path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            if tuple(next(rows, ())) != COLUMNS:
                raise self._not_ours(1)
            for number, row in enumerate(rows, start=1):
                if len(row) != len(COLUMNS) or row[0] != str(number):
                    raise self._not_ours(number + 1)
                yield LineFate(number, *map(unguard_cell, row[1:]))

    def _not_ours(self, line: int) -> UsageError:
        return UsageError(
            f"{self.path}, line {line}, is not from the report on a list of records; "
            "give another --report."
        )

    def append(self, fates: Iterable[LineFate]) -> None:
        """Add rows and flush them to disk."""
        try:
            self._write(map(astuple, fates))
        except OSError as error:
            raise EnrichmentError(f"{self.path} cannot be written: {error.strerror}.") from error

    def _write(self, rows: Iterable[tuple[object, ...]]) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(map(guard_row, rows))
            stream.flush()
            os.fsync(stream.fileno())

    def _cut_unfinished_row(self) -> None:
        with self.path.open("rb+") as stream:
            end = stream.seek(0, os.SEEK_END)
            start = stream.seek(max(0, end - _TAIL))
            stream.truncate(start + stream.read().rfind(b"\n") + 1)
