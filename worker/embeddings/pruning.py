"""Embeddings of pictures that no record shows any more are removed on request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, text

from common.process.progress import progress
from common.store.encoders import StoredEncoder
from common.store.tables.seen import partition_of

# Of a record of the store, at the address that it has now, and not too long ago.
_SHOWN = """
    EXISTS (SELECT 1 FROM record WHERE record.id = seen.record_id
            AND (seen.source <> 'media' OR record.media_url = seen.url))
    AND (CAST(:unseen_for AS interval) IS NULL
         OR seen.seen_at >= now() - CAST(:unseen_for AS interval))
"""
_UNUSED = f"""
    NOT EXISTS (SELECT 1 FROM picture_seen AS seen WHERE seen.sha256 = kept.sha256 AND {_SHOWN})
    AND NOT EXISTS (SELECT 1 FROM image WHERE image.sha256 = encode(kept.sha256, 'hex'))
"""
_FORGET_PLACES = text(f"DELETE FROM picture_seen AS seen WHERE NOT ({_SHOWN})")


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
    unseen_for: timedelta | None = None,
) -> Pruned:
    """Remove the encoders' embeddings of pictures that no record shows any more.

    A record shows a picture that was seen at its present address, and not longer ago than
    `unseen_for`. Pictures that the harvester stored stay, for trainings. The places where other
    pictures were seen are forgotten if these are all encoders. A picture that is looked at
    meanwhile is looked at again by the next job.
    """
    asked = {"unseen_for": unseen_for}
    removed, places = 0, 0
    with progress("encoders", len(encoders)) as report:
        for encoder in encoders:
            statement = text(f"DELETE FROM {partition_of(encoder.id)} AS kept WHERE {_UNUSED}")
            with engine.begin() as connection:
                removed += connection.execute(statement, asked).rowcount
            report.advance(note=encoder.name)
    if every_encoder:
        with engine.begin() as connection:
            places = connection.execute(_FORGET_PLACES, asked).rowcount
    return Pruned(embeddings=removed, places=places)
