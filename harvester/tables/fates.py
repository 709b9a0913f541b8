"""The fate of each row of a table: taken, repaired or rejected.

Taken: the row is in the form of the pilot's tables; concept URIs may have the form used before
2022. Repaired: something was wrong, but its meaning is beyond doubt; each repair is reported. A
misspelt label is repaired only on request. Rejected: something is missing, or the row contradicts
itself.

A concept URI identifies a concept, a label only names it. So if the label is unknown and the
concept is known, the concept counts. If both are known and differ, the row is rejected.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from common.errors import InvalidRecordIdError, UsageError
from common.europeana.concept_uris import current_concept_uri
from common.europeana.record_ids import item_uri, parse_record_id
from harvester.tables.csv_export import COLUMNS
from harvester.tables.label_spelling import LabelReader
from harvester.tables.rows import read_rows
from harvester.tables.table_row import TableRow

_SLASHLESS = re.compile(r"\d+/")  # digits, since "n/a" is no record
NOT_UTF8 = "not UTF-8"
_CUT_ID = 100  # characters, at least, of an ID that counts as cut short

Fate = Literal["taken", "repaired", "rejected"]
FATES: tuple[Fate, ...] = ("taken", "repaired", "rejected")


@dataclass(frozen=True, slots=True)
class RowFinding:
    """A problem of a row: `what` is one of a few phrases, `detail` is about this row."""

    column: str
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}" if self.detail else self.what


@dataclass(frozen=True, slots=True)
class LabelledRecord:
    """The content of a row: a record, the URL of its picture if any, and its concepts."""

    record_id: str
    media_url: str | None
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowFate:
    """The fate of the row that begins on `line`; a rejected row has no record."""

    line: int
    fate: Fate
    findings: tuple[RowFinding, ...]
    record: LabelledRecord | None = None


class _RejectedError(Exception):
    def __init__(self, column: str, what: str, detail: str = "") -> None:
        super().__init__(what)
        self.finding = RowFinding(column, what, detail)


def judge_rows(
    table: Path,
    vocabulary: Mapping[str, str],
    *,
    labels: LabelReader | None = None,
    accept_repairs: bool = False,
    columns: Mapping[str, str] | None = None,
) -> Iterator[RowFate]:
    """The fate of every row after the header.

    Args:
        vocabulary: concept URIs by category.
        columns: what the table calls columns, by our names (`COLUMNS`).
        labels: reads the column category. By default it knows the categories alone.
        accept_repairs: read a misspelt label as the only label that is near to it.

    Raises:
        UsageError: the header lacks a needed column, or the file is harmful.
    """
    rows = read_rows(table)
    header = next(rows, TableRow(1, ()))
    places = _column_places(table, header, columns or {})
    width = len(header.cells)
    reader = labels or LabelReader(vocabulary)
    judge = _RowJudge(places, width, vocabulary, reader, accept_repairs=accept_repairs)
    return judge.judge(rows)


def _column_places(table: Path, header: TableRow, columns: Mapping[str, str]) -> dict[str, int]:
    names = [_column_name(cell) for cell in header.cells]
    wanted = {column: _column_name(columns.get(column, column)) for column in COLUMNS}
    if twice := [column for column, name in wanted.items() if names.count(name) > 1]:
        shown = columns.get(twice[0], twice[0])
        raise UsageError(f"{table}, line 1: the column {shown} is there twice. Remove one of them.")
    places = {column: names.index(name) for column, name in wanted.items() if name in names}
    given = header.problem and header.problem[1]
    given = given or ", ".join(_shown(cell) for cell in header.cells[:10]) or "nothing"
    if lost := [columns[column] for column in columns if column not in places]:
        raise UsageError(
            f"{table}, line 1: there is no column {_shown(lost[0])}. The columns are: {given}."
        )
    for either, other in (("ID", "URI"), ("category", "skos_concept")):
        if either not in places and other not in places:
            raise UsageError(
                f"{table}, line 1: expected the names of the columns {','.join(COLUMNS)}, in "
                f"any order. {either} or {other} must be there. Found: {given}. If the columns "
                f"have other names, give: --column {either}=NAME"
            )
    return places


def _column_name(cell: str) -> str:
    return "_".join(cell.lower().split()).replace("-", "_")


class _RowJudge:
    def __init__(
        self,
        places: Mapping[str, int],
        width: int,
        vocabulary: Mapping[str, str],
        labels: LabelReader,
        *,
        accept_repairs: bool,
    ) -> None:
        self._places = places
        self._width = width
        self._vocabulary = vocabulary
        self._concepts = frozenset(vocabulary.values())
        self._labels = labels
        self._accept_repairs = accept_repairs

    def judge(self, rows: Iterator[TableRow]) -> Iterator[RowFate]:
        for row in rows:
            try:
                row_reading = _RowReading(self._cells(row))
                if row.is_recoded:
                    row_reading.repairs.append(RowFinding("", NOT_UTF8, "read as Windows-1252"))
                record = self._record(row_reading)
            except _RejectedError as rejected:
                yield RowFate(row.line, "rejected", (rejected.finding,))
            else:
                repairs = tuple(row_reading.repairs)
                yield RowFate(row.line, "repaired" if repairs else "taken", repairs, record)

    def _cells(self, row: TableRow) -> dict[str, str]:
        if row.problem:
            raise _RejectedError("", *row.problem)
        if not any(cell.strip() for cell in row.cells):
            raise _RejectedError("", "empty row")
        if any(cell.strip() for cell in row.cells[self._width :]):
            raise _RejectedError(
                "",
                "too many cells",
                f"{len(row.cells)}, but the header has {self._width}; a cell with a comma "
                "needs quotes",
            )
        filled = len(row.cells)
        return {
            column: row.cells[place] if place < filled else ""
            for column, place in self._places.items()
        }

    def _record(self, row: "_RowReading") -> LabelledRecord:
        return LabelledRecord(row.record_id(), row.media_url(), self._row_concepts(row))

    def _row_concepts(self, row: "_RowReading") -> tuple[str, ...]:
        written, listed = row.cell("category"), row.concepts(self._concepts)
        reading = self._labels.read(written)
        labelled = frozenset(self._vocabulary[label] for label in reading.labels)
        if not listed and reading.problem:
            raise _RejectedError("category", "unknown label", reading.problem)
        if not listed and reading.guess and not self._accept_repairs:
            advice = f"{reading.guess}; correct it, or accept it with --accept-repairs"
            raise _RejectedError("category", "misspelt label", advice)
        if not listed and not labelled:
            raise _RejectedError("category", "no label", "expected labels of the vocabulary")
        if listed and labelled and listed != labelled:
            raise _RejectedError(
                "skos_concept",
                "contradicts category",
                f"category is {_shown(written)}, the concepts are {self._names(listed)}",
            )
        known = listed or labelled
        row.note("category", self._label_repair(written, reading.labels), self._names(known))
        if not listed:
            row.note("skos_concept", "empty", " ".join(sorted(known)))
        return tuple(sorted(known))

    def _label_repair(self, written: str, labels: Sequence[str]) -> str:
        if not written:
            return "empty"
        if not labels:
            return "unknown label"
        return "" if written == " ".join(labels) else "spelling"

    def _names(self, concepts: frozenset[str]) -> str:
        return " ".join(label for label, uri in self._vocabulary.items() if uri in concepts)


@dataclass
class _RowReading:
    """The cells of the known columns, and the repairs that were needed to read them."""

    cells: Mapping[str, str]
    repairs: list[RowFinding] = field(default_factory=list)

    def note(self, column: str, what: str, after: str) -> None:
        """Record a repair, unless `what` is empty or the table lacks the column."""
        if what and column in self.cells:
            detail = f"{_shown(self.cells[column])} -> {_shown(after)}"
            self.repairs.append(RowFinding(column, what, detail))

    def cell(self, column: str) -> str:
        written = self.cells.get(column, "")
        text = written.strip()
        if text and text != written:
            self.note(column, "stray spaces", text)
        return text

    def record_id(self) -> str:
        """The record of ID and URI, which must agree if both can be read."""
        id_text, uri_text = self.cell("ID"), self.cell("URI")
        given, named = _record_id(id_text), _record_id(uri_text)
        if not given and not named:
            raise _RejectedError(
                "ID" if id_text or "URI" not in self.cells else "URI",
                "names no record",
                f"{_shown(id_text or uri_text)}; expected /dataset/local, an item URI or a "
                "portal URL",
            )
        if given and named and given != named and not _is_cut(given, named):
            raise _RejectedError(
                "ID", "contradicts URI", f"ID is {_shown(id_text)}, URI is {_shown(uri_text)}"
            )
        record_id = named or given
        self.note("ID", _id_repair(id_text, given, record_id), record_id)
        self.note("URI", _uri_repair(uri_text, named), item_uri(record_id))
        return record_id

    def media_url(self) -> str | None:
        text = self.cell("URL")
        scheme, found, _ = text.partition("://")
        if found and scheme.isalnum():
            return text
        if text:
            self.note("URL", "no address", "")
        return None

    def concepts(self, known: frozenset[str]) -> frozenset[str]:
        """The concepts that the row lists, in today's form."""
        listed = frozenset(map(current_concept_uri, self.cell("skos_concept").split()))
        if unknown := sorted(listed - known):
            raise _RejectedError(
                "skos_concept", "unknown concept", f"{_shown(unknown[0])} is not in the vocabulary"
            )
        return listed


def _record_id(text: str) -> str:
    """The record ID in a text, even if its first slash was lost; empty if there is none."""
    try:
        return parse_record_id(f"/{text}" if _SLASHLESS.match(text) else text)
    except InvalidRecordIdError:
        return ""


def _is_cut(given: str, named: str) -> bool:
    return len(given) >= _CUT_ID and named.startswith(given)


def _id_repair(text: str, given: str, record_id: str) -> str:
    if not given:
        return "unreadable" if text else "empty"
    if given != record_id:
        return "cut short"
    return "" if text == given else "not in the form /dataset/local"


def _uri_repair(text: str, named: str) -> str:
    if not named:
        return "unreadable" if text else "empty"
    if text == item_uri(named):
        return ""
    return "portal URL" if "europeana.eu/" in text and "//data." not in text else "no item URI"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "...")
