"""Lists of records as people have them: one record ID, item URI or portal URL a line, and dirt.

Blank lines, a byte-order mark, Windows line ends, and quotes, brackets and commas around an ID are
no harm; every other line that holds no record ID is told with its number and the reason.
"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from common.errors import InvalidRecordIdError, UsageError
from common.europeana.record_ids import MAX_LENGTH, parse_record_id

STANDARD_INPUT = "-"

_AROUND = " \t\r\n\ufeff\"'<>,;"


@dataclass(frozen=True)
class ListedLine:
    """A line of a list; without `record_id` it is blank, or `problem` says what is wrong."""

    number: int
    text: str
    record_id: str | None = None
    problem: str = ""


def read_list(lines: Iterable[str]) -> Iterator[ListedLine]:
    """Every line of a list, in order, counted from 1; streams."""
    for number, line in enumerate(lines, start=1):
        text = line.strip(_AROUND)
        try:
            record_id, problem = parse_record_id(text) if text else None, ""
        except InvalidRecordIdError as error:
            record_id, problem = None, str(error)
        yield ListedLine(number, text[:MAX_LENGTH], record_id, problem)


@contextmanager
def open_list(source: str) -> Iterator[TextIO]:
    """The lines of a file, or of standard input where `source` is `-`.

    Raises:
        UsageError: the file cannot be read.
    """
    if source == STANDARD_INPUT:
        yield sys.stdin
        return
    try:
        stream = Path(source).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - see with
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}.") from None
    with stream:
        yield stream
