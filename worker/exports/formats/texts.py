"""Enrichments as CSV, as annotations and as EDM, always in UTF-8, one row at a time.

A table lists every row. Linked data names a concept of a record once: if several models found it,
the enrichment with the highest confidence is exported, because the Annotation API refuses a second.
"""

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache, lru_cache
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, BinaryIO, Literal

from common.europeana import edm
from common.europeana.linked_data import annotation_page, concept_annotation
from common.process.foreign_text import guard_cell, guard_row
from common.store.tables import PictureSource, VerdictKind
from worker.exports.changes import Statement
from worker.exports.labels import NO_LABELS, ExportLabels
from worker.exports.rows import EnrichmentRow

AnnotationTarget = Literal["record", "image"]
# A TextIOWrapper would close standard output when its reader goes away.
_utf_8 = codecs.getwriter("utf-8")
ANNOTATIONS_A_PAGE = 100  # if the API refuses one, it refuses the page, and does not say which


def write_csv(
    rows: Iterable[EnrichmentRow], stream: BinaryIO, labels: ExportLabels = NO_LABELS
) -> int:
    """Write all columns as CSV, and one of labels for each language; returns the number of rows.

    A cell that a spreadsheet would read as a formula gets an apostrophe before it. No record ID and
    no URL looks like a formula.
    """
    count = 0
    guarded = cache(lambda model, concept: guard_row(labels.texts(model, concept)))
    cell = cache(guard_cell)  # of texts that many rows share
    writer = csv.writer(_utf_8(stream), lineterminator="\n")
    writer.writerow((*EnrichmentRow._fields, *labels.columns))
    for row in rows:
        cells: dict[str, Any] = {
            "label": cell(row.label),
            "confidence": f"{row.confidence:.4f}",
            "model": cell(row.model),
            "image_url": guard_cell(row.image_url),
            "seen": row.seen and _time(row.seen),
            "provider": cell(row.provider),
            "rights": cell(row.rights),
            "encoder": cell(row.encoder),
            "threshold": None if row.threshold is None else f"{row.threshold:.4f}",
            "written": _time(row.written),
        }
        writer.writerow((*row._replace(**cells), *guarded(row.model, row.concept)))
        count += 1
    return count


def write_jsonld(
    rows: Iterable[EnrichmentRow],
    stream: BinaryIO,
    labels: ExportLabels = NO_LABELS,
    *,
    target: AnnotationTarget = "record",
) -> int:
    """Write one AnnotationPage a line, the body of a request; returns the number of annotations.

    With target `image` an annotation is about the image if the provider's own file was seen. If the
    thumbnail was seen, it is about the record, since thumbnails are no part of a record.
    """
    count = 0
    file = _utf_8(stream)
    findings = once_a_concept(rows)
    while page := list(islice(findings, ANNOTATIONS_A_PAGE)):
        annotations = [annotation_of(row, target, labels) for row in page]
        file.write(json.dumps(annotation_page(annotations), ensure_ascii=False) + "\n")
        count += len(page)
    return count


def write_edm(
    rows: Iterable[EnrichmentRow], stream: BinaryIO, labels: ExportLabels = NO_LABELS
) -> int:
    """Write an RDF/XML document, one edm:ProvidedCHO a record; returns the number of concepts.

    At the end stands each concept that has labels with a language, in the words of the model that
    the document names first for it.
    """
    count, named = 0, dict[str, Mapping[str, str]]()
    file = _utf_8(stream)
    file.write(edm.OPENING)
    for record_id, found in groupby(once_a_concept(rows), key=attrgetter("record_id")):
        statements = []
        for row in found:
            statements.append(_statement(row))
            if labels.languages and not named.get(row.concept):
                named[row.concept] = labels.by_language(row.model, row.concept)
        file.write(edm.provided_cho(record_id, statements))
        count += len(statements)
    for concept, by_language in named.items():
        file.write(edm.skos_concept(concept, by_language))
    file.write(edm.CLOSING)
    return count


def _statement(row: EnrichmentRow) -> str:
    said = (
        edm.by_person(row.concept)
        if row.verdict == VerdictKind.RIGHT
        else edm.by_software(row.concept, row.confidence)
    )
    return edm.origin(row.model, row.written) + said


def write_removed(statements: Iterable[Statement], stream: BinaryIO) -> int:
    """Write an RDF/XML document that names statements to remove; returns their number."""
    count = 0
    file = _utf_8(stream)
    file.write(edm.OPENING_TO_REMOVE)
    for record_id, found in groupby(statements, key=attrgetter("record_id")):
        named = [edm.to_remove(each.concept) for each in found]
        file.write(edm.provided_cho(record_id, named))
        count += len(named)
    file.write(edm.CLOSING)
    return count


def once_a_concept(rows: Iterable[EnrichmentRow]) -> Iterator[EnrichmentRow]:
    """The first row of each concept of each record; the rows of a record are neighbours."""
    for _, found in groupby(rows, key=attrgetter("record_id")):
        first: dict[str, EnrichmentRow] = {}
        for row in found:
            first.setdefault(row.concept, row)
        yield from first.values()


@lru_cache(maxsize=4096)  # rows of a transaction share their time
def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def annotation_of(
    row: EnrichmentRow, target: AnnotationTarget, labels: ExportLabels
) -> dict[str, object]:
    """The W3C annotation of an enrichment."""
    of_image = target == "image" and row.picture == PictureSource.MEDIA
    return concept_annotation(
        record_id=row.record_id,
        concept_uri=row.concept,
        confidence=row.confidence,
        model=row.model,
        image_url=row.image_url if of_image else None,
        created=row.written,
        encoder=row.encoder,
        labels=labels.by_language(row.model, row.concept),
    )
