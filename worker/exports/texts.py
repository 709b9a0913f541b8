"""Enrichments as CSV, as annotations and as EDM: UTF-8 whatever the locale, one row after another.

A table lists every row. Linked data names a concept of a record once: where several models found
it, the surest one is exported, because the Annotation API refuses the second.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from operator import attrgetter
from typing import BinaryIO, Literal, TextIO

from common.europeana import linked_data
from common.europeana.linked_data import annotation_page, concept_annotation
from common.store.tables import PictureSource
from worker.exports.selection import EnrichmentRow

Target = Literal["record", "image"]
COLUMNS = (
    *("record_id", "concept", "label", "confidence"),
    *("model", "picture", "image_url", "heatmap"),
)
ANNOTATIONS_A_PAGE = 100  # one that the API dislikes voids its page, and it does not say which
_STARTS_A_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
)  # https://owasp.org/www-community/attacks/CSV_Injection


def write_csv(rows: Iterable[EnrichmentRow], stream: BinaryIO) -> int:
    """Write COLUMNS as CSV; returns the number of rows.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it. No record ID
    and no web address begins so, and no label of a vocabulary.
    """
    count = 0
    with _text(stream) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(map(_no_formula, _cells(row)))
            count += 1
    return count


def write_jsonld(
    rows: Iterable[EnrichmentRow], stream: BinaryIO, *, target: Target = "record"
) -> int:
    """Write an AnnotationPage a line, each the body of one request; returns the annotations.

    With target `image` an annotation is about the image where the provider's own file was seen,
    and about the record where its thumbnail was, which is no part of the record.
    """
    count = 0
    with _text(stream) as file:
        findings = once_a_concept(rows)
        while page := list(islice(findings, ANNOTATIONS_A_PAGE)):
            annotations = [_annotation(row, target) for row in page]
            file.write(json.dumps(annotation_page(annotations), ensure_ascii=False) + "\n")
            count += len(page)
    return count


def write_edm(rows: Iterable[EnrichmentRow], stream: BinaryIO) -> int:
    """Write one RDF/XML document, an edm:ProvidedCHO a record; returns the number of concepts."""
    count = 0
    with _text(stream) as file:
        file.write(linked_data.OPENING)
        for record_id, found in groupby(once_a_concept(rows), key=attrgetter("record_id")):
            concepts = [(row.concept, row.confidence) for row in found]
            file.write(linked_data.provided_cho(record_id, concepts))
            count += len(concepts)
        file.write(linked_data.CLOSING)
    return count


def once_a_concept(rows: Iterable[EnrichmentRow]) -> Iterator[EnrichmentRow]:
    """Of each record's rows, which come one after the other, the first of each concept."""
    for _, found in groupby(rows, key=attrgetter("record_id")):
        first: dict[str, EnrichmentRow] = {}
        for row in found:
            first.setdefault(row.concept, row)
        yield from first.values()


def _cells(row: EnrichmentRow) -> tuple[str, ...]:
    confidence = f"{row.confidence:.4f}"
    what = (row.record_id, row.concept, row.label)
    return (*what, confidence, row.model, row.picture, row.image_url, row.heatmap or "")


def _annotation(row: EnrichmentRow, target: Target) -> dict[str, object]:
    of_image = target == "image" and row.picture == PictureSource.MEDIA
    return concept_annotation(
        record_id=row.record_id,
        concept_uri=row.concept,
        confidence=row.confidence,
        model=row.model,
        image_url=row.image_url if of_image else None,
        created=row.updated,
    )


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_STARTS_A_FORMULA) else cell


@contextmanager
def _text(stream: BinaryIO) -> Iterator[TextIO]:
    """The stream for text; flushed, and left open, at the end of the block."""
    file = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        yield file
    finally:
        file.detach()
