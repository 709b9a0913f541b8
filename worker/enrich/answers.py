"""From rows of numbers to what a model says: all records of a chunk at once, model by model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.vision.answers.answering import Answers
from worker.enrich.models import LoadedModel
from worker.enrich.seen import RecordSeen
from worker.ledger.enrichments import RecordPrediction
from worker.ledger.routes import Routes
from worker.ledger.tallies import RecordSaid


@dataclass(frozen=True, kw_only=True)
class ModelSays:
    """What a model says of records: its predictions, and by the record's present ID in short."""

    predictions: list[RecordPrediction]
    of_records: dict[str, RecordSaid]


def what_it_says(
    model: LoadedModel,
    records: Sequence[RecordSeen],
    rows: NDArray[np.floating],
    *,
    routes: Routes | None = None,
) -> ModelSays:
    """What a model says of records; of those only that it answers for, if there are routes.

    Args:
        rows: of the network (n, numbers), embeddings if the model is on an encoder.
    """
    if routes is not None:
        places = [
            place
            for place, each in enumerate(records)
            if routes.model_of(each.data_provider) == model.id
        ]
        records, rows = [records[place] for place in places], rows[places]
    if not records:
        return ModelSays(predictions=[], of_records={})
    answers = model.answering.answers(rows)
    return ModelSays(
        predictions=_predictions(answers, records, model.description.concept_uris),
        of_records=_in_short(answers, records),
    )


def _predictions(
    answers: Answers, records: Sequence[RecordSeen], concepts: Sequence[str]
) -> list[RecordPrediction]:
    places, columns = answers.written.nonzero()
    confidences = answers.probabilities[places, columns].tolist()
    found = zip(places.tolist(), columns.tolist(), confidences, strict=True)
    return [
        RecordPrediction(
            record_id=records[place].record_id,
            concept_uri=concepts[column],
            confidence=confidence,
            source=records[place].picture.source,
            image_url=records[place].picture.url,
            seen_at=records[place].seen_at,
        )
        for place, column, confidence in found
    ]


def _in_short(answers: Answers, records: Sequence[RecordSeen]) -> dict[str, RecordSaid]:
    surest: NDArray[np.float32] = answers.probabilities.max(axis=1)
    written = np.asarray(answers.written.any(axis=1))
    said = zip(records, surest.tolist(), written.tolist(), answers.unlike.tolist(), strict=True)
    return {
        record.record_id: RecordSaid(
            data_provider=record.data_provider,
            confidence=confidence,
            is_written=is_written,
            is_unlike=is_unlike,
        )
        for record, confidence, is_written, is_unlike in said
    }
