"""Record IDs: one form inside, three forms accepted from outside, and lists of them.

Inside a record is `/dataset/local`. Item URIs (`http://data.europeana.eu/item/dataset/local`) and
portal URLs (`https://www.europeana.eu/en/item/dataset/local?q=...`) are accepted on input.
Syntax: https://europeana.atlassian.net/wiki/spaces/EF/pages/2385674279 (Record API).

A list has one of them a line. Blank lines, a byte-order mark, Windows line ends, and quotes,
brackets and commas around an ID are no harm; every other line without a record ID is reported with
its number and the reason. Tables and files in other encodings have a reason for all their lines.
"""

import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from common.errors import InvalidRecordIdError, UsageError
from common.files import open_given

ITEM_URI = "http://data.europeana.eu/item"
MAX_LENGTH = 512  # characters; the longest seen in 14,458 harvested records has 124
_RECORD_ID = re.compile(r"/[A-Za-z0-9_]+/[A-Za-z0-9_]+")
_WEB_PREFIX = re.compile(
    r"https?://(?:data\.europeana\.eu/item"
    r"|(?:www\.)?europeana\.eu/(?:[a-z]{2}/item|item|portal/(?:[a-z]{2}/)?record|resolve/record))(?=/)"
)
STANDARD_INPUT = "-"
_AROUND = " \t\r\n\ufeff\"'<>,;"
_BETWEEN = re.compile(r"[\s,;]+")  # cells of a table
_NO_TEXT = re.compile("[\0\ufffd]")  # of UTF-16, and what took the place of other bytes
TABLE = "it contains more than a record ID. Keep only the column of IDs."
NO_TEXT = "it is not a text file in UTF-8. Save the list as UTF-8, with one record ID on each line."


def parse_record_id(text: str) -> str:
    """Find the record ID in an ID, an item URI or a portal URL.

    Raises:
        InvalidRecordIdError: the text is none of the three.
    """
    if len(text) <= MAX_LENGTH and _RECORD_ID.fullmatch(text):
        return text  # as most of ten million are
    candidate = text.strip()
    if prefix := _WEB_PREFIX.match(candidate):
        path = re.split(r"[?#]", candidate[prefix.end() :], maxsplit=1)[0]
        candidate = path.removesuffix(".html")
    if len(candidate) > MAX_LENGTH:
        raise InvalidRecordIdError(f"{candidate[:40]!r}... is too long to be a record ID.")
    if not _RECORD_ID.fullmatch(candidate):
        raise InvalidRecordIdError(
            f"{candidate!r} is not a record ID. Give /dataset/local, an item URI or a portal URL."
        )
    return candidate


def item_uri(record_id: str) -> str:
    """The linked-data URI of a record; always http, as Europeana coins it."""
    return ITEM_URI + record_id


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
            record_id, problem = None, _reason_of_all(text[: 4 * MAX_LENGTH]) or str(error)
        yield ListedLine(number, text[:MAX_LENGTH], record_id, problem)


def _reason_of_all(text: str) -> str:
    """What is wrong with this line, and then with most others; empty if it is the line alone."""
    if _NO_TEXT.search(text):
        return NO_TEXT
    return TABLE if any(map(_is_record_id, _BETWEEN.split(text))) else ""


def _is_record_id(text: str) -> bool:
    try:
        parse_record_id(text.strip(_AROUND))
    except InvalidRecordIdError:
        return False
    return True


@contextmanager
def open_list(source: str) -> Iterator[TextIO]:
    """The lines of a file, or of standard input where `source` is `-`.

    Raises:
        UsageError: the file cannot be read.
    """
    if source == STANDARD_INPUT:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # as files are read
        yield sys.stdin
        return
    try:
        content = open_given(Path(source))
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}.") from error
    with io.TextIOWrapper(content, encoding="utf-8", errors="replace") as stream:
        yield stream
