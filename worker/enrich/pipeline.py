"""What happens to the records of one chunk: resolve, read or look, answer.

What the encoder saw of a record's picture before is read, and goes straight to the heads. Other
pictures are looked at. What the encoder makes of them is rounded to halfs before any head sees it:
so a record that is read later gets the same answer, bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.errors import RecordError
from common.reasons import Reason
from common.store.embeddings import Seen, Vector
from common.vision.answers.heads import halved
from worker import metrics
from worker.enrich.answers import what_it_says
from worker.enrich.batcher import Row
from worker.enrich.looking import Look, LookedAt, Looker
from worker.enrich.models import EncoderInStore, ModelsInUse
from worker.enrich.resolve import RecordResolver, Target
from worker.enrich.seen import RecordSeen, SeenPictures
from worker.ledger.chunks import Lease
from worker.ledger.finish import ChunkOutcome, NewlySeen
from worker.ledger.routes import Routes


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
        outcome = ChunkOutcome(
            predictions={each.id: [] for each in models.models},
            said={each.id: {} for each in models.models},
        )
        self._read(targets, models, lease, outcome)
        looks = [
            Look(asked_id=key, target=target)
            for key, target in targets.items()
            if key not in outcome.classified
        ]
        if looks:
            models.network()
            on_record()  # it may have taken minutes to load
            looked = self._looker.look_at(looks, models, lease, on_record=on_record)
            errors |= looked.errors
            seen = _awaited(looked.pictures, models, lease, errors, on_record)
            _answer_looks(outcome, seen, models, lease)
        outcome.errors = {
            key: error for key, error in errors.items() if key not in outcome.classified
        }
        return outcome

    def _read(
        self,
        targets: Mapping[str, Target],
        models: ModelsInUse,
        lease: Lease,
        outcome: ChunkOutcome,
    ) -> None:
        """Answer for the records whose pictures the encoder saw before."""
        if models.encoder is None or not lease.may_read or not targets:
            return
        with metrics.timed("read"):
            read = self._seen.read(targets, models.encoder, max_age=lease.max_age)
            outcome.read = len(read.records)
            _answer(outcome, models, read.records, read.embeddings, routes=lease.routes)


def _answer(
    outcome: ChunkOutcome,
    models: ModelsInUse,
    records: Sequence[RecordSeen],
    rows: NDArray[np.floating],
    *,
    routes: Routes | None,
) -> None:
    """Add what the models say of records that they answer for, from the rows (n, numbers)."""
    for each in records:
        outcome.classified[each.asked_id] = each.record_id
    for model in models.models:
        says = what_it_says(model, records, rows, routes=routes)
        outcome.predictions[model.id] += says.predictions
        outcome.said[model.id] |= says.of_records


@dataclass(kw_only=True)
class _Looked:
    """Pictures that were looked at, with their records and rows, in one order."""

    pictures: list[LookedAt]
    records: list[RecordSeen]
    rows: list[Row]


def _answer_looks(
    outcome: ChunkOutcome, looked: _Looked, models: ModelsInUse, lease: Lease
) -> None:
    if not looked.pictures:
        return
    _answer(outcome, models, looked.records, np.stack(looked.rows), routes=lease.routes)
    if models.encoder:
        outcome.newly_seen = _newly_seen(
            outcome, looked, models, models.encoder, routes=lease.routes
        )
    if lease.explain:
        written = outcome.enriched_records
        outcome.pictures = {
            each.look.picture.url: each.pixels
            for each in looked.pictures
            if each.pixels is not None and each.look.target.record_id in written
        }


def _awaited(
    pictures: Sequence[LookedAt],
    models: ModelsInUse,
    lease: Lease,
    errors: dict[str, RecordError],
    on_record: Callable[[], None],
) -> _Looked:
    """What the network makes of pictures; one that it fails at becomes an error."""
    looked = _Looked(pictures=[], records=[], rows=[])
    for each in pictures:
        try:
            row = each.row.result()
            looked.rows.append(_embedding(row) if models.encoder else row)
            looked.pictures.append(each)
            looked.records.append(_record_seen(each, lease))
        except RecordError as error:
            errors[each.look.asked_id] = error
        on_record()
    return looked


def _embedding(row: Row) -> Vector:
    """As it is kept; one that was kept before comes as halfs.

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


def _record_seen(looked: LookedAt, lease: Lease) -> RecordSeen:
    look = looked.look
    return RecordSeen(
        asked_id=look.asked_id,
        record_id=look.target.record_id,
        data_provider=look.target.data_provider,
        picture=look.picture,
        seen_at=lease.claimed_at,
    )


def _newly_seen(
    outcome: ChunkOutcome,
    looked: _Looked,
    models: ModelsInUse,
    encoder: EncoderInStore,
    *,
    routes: Routes | None,
) -> NewlySeen:
    pictures: list[Seen] = []
    vectors: dict[bytes, Vector] = {}
    for picture, record, row in zip(looked.pictures, looked.records, looked.rows, strict=True):
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

    def answer_again(kept: Mapping[bytes, Vector]) -> None:
        vectors.update(kept)
        rows = [vectors[picture.sha256 or b""] for picture in looked.pictures]
        _correct(outcome, models, looked.records, np.stack(rows), routes=routes)

    return NewlySeen(
        encoder_id=encoder.id, pictures=pictures, vectors=vectors, answer_again=answer_again
    )


def _correct(
    outcome: ChunkOutcome,
    models: ModelsInUse,
    records: Sequence[RecordSeen],
    rows: NDArray[np.floating],
    *,
    routes: Routes | None,
) -> None:
    """Replace what was said of these records; heatmaps stay."""
    again = {each.record_id for each in records}
    for model in models.models:
        said = outcome.predictions[model.id]
        heatmaps = {(each.record_id, each.concept_uri): each.heatmap for each in said}
        says = what_it_says(model, records, rows, routes=routes)
        outcome.said[model.id] |= says.of_records
        outcome.predictions[model.id] = [each for each in said if each.record_id not in again] + [
            replace(each, heatmap=heatmaps.get((each.record_id, each.concept_uri)))
            for each in says.predictions
        ]
