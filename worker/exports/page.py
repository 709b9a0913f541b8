"""Pages for curators, each one file that needs nothing else: where a model looked, which is written
card by card, since it may have thousands of pictures; and which records are alike.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TextIO
from uuid import UUID

from common.process.pages import data_uri, record_page, template_engine
from common.process.terminal.progress import ProgressReport, progress
from common.store.tables import PictureSource
from worker.embeddings.alike import Alike, SimilarRecord
from worker.exports.rows import EnrichmentRow
from worker.exports.selection import Sample

SOURCES: dict[str, str] = {
    PictureSource.MEDIA: "provider's file",
    PictureSource.THUMBNAIL: "thumbnail",
}


@dataclass(frozen=True, kw_only=True)
class EnrichmentCard:
    """An enrichment to show; `image` is a data URI, empty if the heatmap is missing."""

    record_id: str
    page: str
    confidence: float
    source: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Label:
    name: str
    uri: str
    count: int
    cards: Iterator[EnrichmentCard]


def missing(sample: Sample, folder: Path) -> int:
    return sum(not (folder / (row.heatmap or "")).is_file() for row in sample.rows)


def write_page(sample: Sample, stream: TextIO, *, job: UUID, folder: Path) -> None:
    """Write the sample as HTML, label by label, the highest confidence first.

    Args:
        folder: HEATMAP_DIR.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    rows = sorted(
        sample.rows, key=lambda row: (row.label, row.concept, -row.confidence, row.record_id)
    )
    with progress("heatmaps", len(rows)) as report:
        view = {
            "job": job,
            "model": ", ".join(sorted({row.model for row in rows})),
            "shown": len(rows),
            "total": sample.total,
            "labels": list(_labels(rows, folder, report)),
        }
        template = template_engine(Path(__file__).parent).get_template("page.html.jinja")
        stream.writelines(template.generate(view))


def _labels(rows: list[EnrichmentRow], folder: Path, report: ProgressReport) -> Iterator[Label]:
    for _, group in groupby(rows, key=attrgetter("concept")):
        found = list(group)
        cards = (_card(row, folder, report) for row in found)
        yield Label(name=found[0].label, uri=found[0].concept, count=len(found), cards=cards)


def _card(row: EnrichmentRow, folder: Path, report: ProgressReport) -> EnrichmentCard:
    report.advance()
    return EnrichmentCard(
        record_id=row.record_id,
        page=record_page(row.record_id),
        confidence=row.confidence,
        source=SOURCES[row.picture] + (f", seen {row.seen:%Y-%m-%d}" if row.seen else ""),
        image=_picture(folder / (row.heatmap or "")),
    )


def _picture(path: Path) -> str:
    try:
        return data_uri(path.read_bytes(), "image/jpeg")
    except OSError:  # the page shows that it is missing
        return ""


@dataclass(frozen=True, kw_only=True)
class SimilarCard:
    """A record to show; `image` is a data URI, empty if no picture is available."""

    record_id: str
    page: str
    similarity: float
    source: str
    title: str
    provider: str
    image: str


def write_similar_page(alike: Alike, stream: TextIO, pictures: Mapping[str, bytes]) -> None:
    """Write a record and its likes as HTML, the most similar first.

    Args:
        pictures: JPEGs by the record's ID.

    Raises:
        UsageError: Jinja2 is not installed.
    """
    view = {
        "record": _similar_card(alike.record, pictures),
        "cards": [_similar_card(each, pictures) for each in alike.found],
        "encoder": alike.encoder.name,
        "network": alike.encoder.network,
        "compared": alike.compared,
        "is_exact": alike.is_exact,
    }
    template = template_engine(Path(__file__).parent).get_template("similar.html.jinja")
    stream.writelines(template.generate(view))


def _similar_card(record: SimilarRecord, pictures: Mapping[str, bytes]) -> SimilarCard:
    content = pictures.get(record.record_id)
    return SimilarCard(
        record_id=record.record_id,
        page=record_page(record.record_id),
        similarity=record.similarity,
        source=f"{SOURCES[record.source]}, seen {record.seen_at:%Y-%m-%d}",
        title=record.title or "",
        provider=record.data_provider or "",
        image=data_uri(content, "image/jpeg") if content else "",
    )
