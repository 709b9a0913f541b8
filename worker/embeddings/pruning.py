"""Embeddings of pictures that records no longer show are removed on request.

Chunks that finish then do not wait. They lock no embedding, so those of an encoder go at once,
with one look at what is seen. They lock places: few of these go in one transaction, in the order of
their key, and what a chunk has locked is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, text

from common.process.terminal.progress import progress
from common.store.encoders import StoredEncoder
from common.store.tables.seen import partition_of

# Of a record of the store, at the address that it has now, and not too long ago.
_SHOWN = """
    EXISTS (SELECT 1 FROM record WHERE record.id = seen.record_id
            AND (seen.source <> 'media' OR record.media_url = seen.url))
    AND (CAST(:unused_for AS interval) IS NULL
         OR seen.seen_at >= now() - CAST(:unused_for AS interval))
"""
_UNUSED = f"""
    NOT EXISTS (SELECT 1 FROM picture_seen AS seen WHERE seen.sha256 = kept.sha256 AND {_SHOWN})
    AND NOT EXISTS (SELECT 1 FROM image WHERE image.sha256 = encode(kept.sha256, 'hex'))
"""
# The last key of a batch; then what of the batch is not shown, and not locked by a chunk.
_BATCH_END = text("""
    SELECT record_id, source FROM picture_seen WHERE (record_id, source) > (:record_id, :source)
    ORDER BY record_id, source OFFSET :batch - 1 LIMIT 1
""")
_FORGET_PLACES = text(f"""
    DELETE FROM picture_seen WHERE ctid = ANY(ARRAY(
        SELECT seen.ctid FROM picture_seen AS seen
        WHERE (record_id, source) > (:record_id, :source)
          AND (CAST(:last_id AS text) IS NULL OR (record_id, source) <= (:last_id, :last_source))
          AND NOT ({_SHOWN})
        ORDER BY record_id, source FOR UPDATE SKIP LOCKED
    ))
""")
BATCH = 10_000  # places in a transaction


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many embeddings of how many pictures were removed, and places that showed pictures."""

    embeddings: int
    places: int


def prune(
    engine: Engine,
    encoders: Sequence[StoredEncoder],
    *,
    every_encoder: bool,
    unused_for: timedelta | None = None,
) -> Pruned:
    """Remove the encoders' embeddings of pictures that records no longer show.

    A record shows a picture that was seen at its file's present address, or as its thumbnail, and
    not longer ago than `unused_for`. Pictures that the harvester stored stay, for trainings. The
    places where other pictures were seen are forgotten if these are all encoders. A picture that is
    looked at during this is looked at again by the next job.
    """
    removed = 0
    with progress("encoders", len(encoders)) as report:
        for encoder in encoders:
            statement = text(f"DELETE FROM {partition_of(encoder.id)} AS kept WHERE {_UNUSED}")
            with engine.begin() as connection:
                removed += connection.execute(statement, {"unused_for": unused_for}).rowcount
            report.advance(note=encoder.name)
    places = _forget_places(engine, unused_for) if every_encoder else 0
    return Pruned(embeddings=removed, places=places)


def _forget_places(engine: Engine, unused_for: timedelta | None) -> int:
    forgotten = 0
    last: tuple[str, str] | None = ("", "")
    while last is not None:
        start = {"record_id": last[0], "source": last[1]}
        with engine.begin() as connection:
            end = connection.execute(_BATCH_END, start | {"batch": BATCH}).one_or_none()
            last = None if end is None else (end.record_id, end.source)
            last_id, last_source = last or (None, None)
            asked = start | {"last_id": last_id, "last_source": last_source}
            forgotten += connection.execute(
                _FORGET_PLACES, asked | {"unused_for": unused_for}
            ).rowcount
    return forgotten
