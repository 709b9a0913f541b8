"""What happens to the records of one chunk: resolve, read or look, predict.

What the encoder saw of a record's picture before is read, and goes straight to the heads. Other
pictures are looked at. Their embeddings are rounded to float16 before any head sees them: so a
record that is read later gets the same predictions, bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from common.errors import RecordError
from common.reasons import Reason
from common.store.embeddings import Seen, Vector
from common.vision.answers.heads import halved
from worker import metrics
from worker.enrich.batcher import Row
from worker.enrich.looking import Look, LookedAt, Looker
from worker.enrich.model_pool import ModelsInUse
from worker.enrich.predicting import predict_records
from worker.enrich.resolve import PictureTarget, RecordResolver
from worker.enrich.seen import RecordSeen, SeenPictures
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkResults, NewlySeen


@dataclass(kw_only=True)
class ChunkOutcome(ChunkResults):
    """The result of each record of a chunk, and the parts that may be needed again.

    `looked` are the records whose pictures were looked at, in the order of `newly_seen`. `pictures`
    maps image URLs to the classified pixels, for predictions that are to be explained.
    """

    looked: list[RecordSeen] = field(default_factory=list)
    pictures: dict[str, torch.Tensor] = field(default_factory=dict)


class Pipeline:
    """Turns the record IDs of a chunk into outcomes; threads share one."""

    def __init__(self, resolver: RecordResolver, seen: SeenPictures, looker: Looker) -> None:
        self._resolver = resolver
        self._seen = seen
        self._looker = looker

    def run(
        self, lease: Lease, models: ModelsInUse, *, on_record: Callable[[], None]
    ) -> ChunkOutcome:
        """Bring each record of the chunk to its outcome.

        `on_record` is called after each picture that is looked at; an error from it ends the run.
        The network of the models is loaded if there is such a picture.
        """
        with metrics.timed("resolve"):
            targets, errors = self._resolver.resolve(lease.record_ids, picture=lease.picture)
        outcome = ChunkOutcome()
        self._read(targets, models, lease, outcome)
        looks = [
            Look(asked_id=key, target=target)
            for key, target in targets.items()
            if key not in outcome.predicted
        ]
        if looks:
            models.network()
            on_record()  # it may have taken minutes to load
            looked = self._looker.look_at(looks, models, lease, on_record=on_record)
            errors |= looked.errors
            pictures = _awaited(looked.pictures, models, errors, on_record)
            _predict_looked_at(outcome, pictures, models, lease)
        outcome.errors = {
            key: error for key, error in errors.items() if key not in outcome.predicted
        }
        return outcome

    def _read(
        self,
        targets: Mapping[str, PictureTarget],
        models: ModelsInUse,
        lease: Lease,
        outcome: ChunkOutcome,
    ) -> None:
        if models.encoder is None or not lease.may_read or not targets:
            return
        with metrics.timed("read"):
            read = self._seen.read(targets, models.encoder, max_age=lease.max_age)
            outcome.read = len(read.records)
            outcome.predicted |= predict_records(
                read.records, read.embeddings, models=models.models, routes=lease.routes
            )


def predict_again(
    outcome: ChunkOutcome, kept: Mapping[bytes, Vector], models: ModelsInUse, lease: Lease
) -> None:
    """Predict from what others have kept of the pictures, by their sha256; heatmaps stay."""
    assert outcome.newly_seen is not None  # else others have kept nothing of it
    vectors = outcome.newly_seen.vectors
    vectors.update(kept)
    rows = np.stack([vectors[each.sha256] for each in outcome.newly_seen.pictures])
    outcome.predicted |= predict_records(
        outcome.looked, rows, models=models.models, routes=lease.routes
    )


def _predict_looked_at(
    outcome: ChunkOutcome,
    pictures: Sequence[tuple[LookedAt, Row]],
    models: ModelsInUse,
    lease: Lease,
) -> None:
    if not pictures:
        return
    outcome.looked = [_record_seen(each.look, lease) for each, _ in pictures]
    rows = np.stack([row for _, row in pictures])
    outcome.predicted |= predict_records(
        outcome.looked, rows, models=models.models, routes=lease.routes
    )
    if models.encoder:
        outcome.newly_seen = _newly_seen(pictures, outcome.looked, models.encoder.id)
    if lease.explain:
        outcome.pictures = {
            each.look.picture.url: each.pixels
            for each, _ in pictures
            if each.pixels is not None and outcome.predicted[each.look.asked_id].predictions
        }


def _awaited(
    pictures: Sequence[LookedAt],
    models: ModelsInUse,
    errors: dict[str, RecordError],
    on_record: Callable[[], None],
) -> list[tuple[LookedAt, Row]]:
    """What the network makes of pictures; one that it fails at becomes an error."""
    looked: list[tuple[LookedAt, Row]] = []
    for each in pictures:
        try:
            row = each.row.result()
            looked.append((each, _embedding(row) if models.encoder else row))
        except RecordError as error:
            errors[each.look.asked_id] = error
        on_record()
    return looked


def _embedding(row: Row) -> Vector:
    """As it is kept; one that was kept before comes as float16.

    Raises:
        RecordError: it cannot be kept.
    """
    if row.dtype == np.float16:
        return row.astype(np.float16, copy=False)
    try:
        vector: Vector = halved(row[np.newaxis])[0]
    except ValueError as error:
        raise Reason.RUNTIME_FAILED.error(str(error)) from error
    return vector


def _record_seen(look: Look, lease: Lease) -> RecordSeen:
    return RecordSeen(
        asked_id=look.asked_id,
        record_id=look.target.record_id,
        data_provider=look.target.data_provider,
        picture=look.picture,
        seen_at=lease.claimed_at,
    )


def _newly_seen(
    looked: Sequence[tuple[LookedAt, Row]], records: Sequence[RecordSeen], encoder_id: int
) -> NewlySeen:
    pictures: list[Seen] = []
    vectors: dict[bytes, Vector] = {}
    for (picture, row), record in zip(looked, records, strict=True):
        assert picture.sha256 is not None  # whatever an encoder sees has one
        vectors[picture.sha256] = row.astype(np.float16, copy=False)
        seen = Seen(
            record_id=record.record_id,
            source=record.picture.source,
            url=record.picture.url,
            sha256=picture.sha256,
            seen_at=record.seen_at,
        )
        pictures.append(seen)
    return NewlySeen(encoder_id=encoder_id, pictures=pictures, vectors=vectors)
