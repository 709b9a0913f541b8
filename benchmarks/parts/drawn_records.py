"""Records whose pictures an encoder has seen, with embeddings that were drawn."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from numpy.typing import NDArray
from sqlalchemy import Engine

from common.store.bulk import copy_rows
from common.store.embeddings import Seen, keep_vectors, save_seen
from common.store.tables import PictureSource


def add_seen_records(
    engine: Engine,
    encoder_id: int,
    ids: Sequence[str],
    urls: Sequence[str],
    vectors: Mapping[bytes, NDArray[Any]],
) -> None:
    """Add records, each with the embedding of its picture.

    Args:
        vectors: embeddings by the sha256 of the picture, in the order of the records.
    """
    with engine.begin() as connection:
        copy_rows(connection, "record", ("id", "media_url"), zip(ids, urls, strict=True))
        keep_vectors(connection, encoder_id, dict(vectors))
        seen = (
            Seen(
                record_id=record_id,
                source=PictureSource.MEDIA,
                url=url,
                sha256=digest,
                seen_at=datetime.now(UTC),
            )
            for record_id, url, digest in zip(ids, urls, vectors, strict=True)
        )
        save_seen(connection, seen)
