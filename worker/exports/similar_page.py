"""A page with a record and those that are most like it: one file that needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from common.pages import data_uri, record_page, template_engine
from worker.embeddings.alike import Alike, SimilarRecord
from worker.exports.page import SOURCES

TEMPLATE = "similar.html.jinja"


@dataclass(frozen=True, kw_only=True)
class SimilarCard:
    """A record to show; `image` is a data URI, empty if there is no picture at hand."""

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
        "record": _card(alike.record, pictures),
        "cards": [_card(each, pictures) for each in alike.found],
        "encoder": alike.encoder.name,
        "network": alike.encoder.network,
        "compared": alike.compared,
        "is_exact": alike.is_exact,
    }
    template = template_engine(Path(__file__).parent).get_template(TEMPLATE)
    stream.writelines(template.generate(view))


def _card(record: SimilarRecord, pictures: Mapping[str, bytes]) -> SimilarCard:
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
