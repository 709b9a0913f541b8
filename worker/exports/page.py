"""Where a model looked, as a page for a curator: one file that needs nothing else.

Texts from outside (labels, IDs) are escaped by the template engine, and the page's own policy
forbids scripts and every request. It is written card by card.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from uuid import UUID

from common.errors import UsageError
from common.process.progress import ProgressReport, progress
from common.store.tables import PictureSource
from worker.exports.selection import EnrichmentRow, Sample

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "page.html.jinja"
RECORD_PAGE = "https://www.europeana.eu/item"
SOURCES: dict[str, str] = {
    PictureSource.MEDIA: "provider's file",
    PictureSource.THUMBNAIL: "thumbnail",
}


@dataclass(frozen=True, kw_only=True)
class EnrichmentCard:
    """An enrichment to show; `image` is a data URI, empty where the heatmap is missing."""

    record_id: str
    page: str
    confidence: float
    source: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Label:
    """The enrichments of one concept."""

    name: str
    uri: str
    count: int
    cards: Iterator[EnrichmentCard]


def missing(sample: Sample, folder: Path) -> int:
    """How many heatmaps of a sample are not in HEATMAP_DIR."""
    return sum(not (folder / (row.heatmap or "")).is_file() for row in sample.rows)


def write_page(sample: Sample, stream: TextIO, *, job: UUID, folder: Path) -> None:
    """Write the sample as HTML, label by label, the surest of each first.

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
            "model": rows[0].model,
            "shown": len(rows),
            "total": sample.total,
            "labels": list(_labels(rows, folder, report)),
        }
        stream.writelines(_template().generate(view))


def _labels(rows: list[EnrichmentRow], folder: Path, report: ProgressReport) -> Iterator[Label]:
    for _, group in groupby(rows, key=attrgetter("concept")):
        found = list(group)
        cards = (_card(row, folder, report) for row in found)
        yield Label(name=found[0].label, uri=found[0].concept, count=len(found), cards=cards)


def _card(row: EnrichmentRow, folder: Path, report: ProgressReport) -> EnrichmentCard:
    report.advance()
    return EnrichmentCard(
        record_id=row.record_id,
        page=RECORD_PAGE + row.record_id,
        confidence=row.confidence,
        source=SOURCES[row.picture],
        image=_data_uri(folder / (row.heatmap or "")),
    )


def _data_uri(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _template() -> "Template":
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise UsageError("The page needs Jinja2: pip install '.[worker,explain]'.") from None
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    return environment.get_template(TEMPLATE)
