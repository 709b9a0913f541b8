"""From rows of numbers to predictions: all records of a chunk at once, model by model."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from worker.enrich.model_pool import LoadedModel
from worker.enrich.seen import RecordSeen
from worker.ledger.predictions import PredictedRecord, RecordPrediction
from worker.ledger.routes import Routes


def predict_records(
    records: Sequence[RecordSeen],
    rows: NDArray[np.floating],
    *,
    models: Iterable[LoadedModel],
    routes: Routes,
) -> dict[str, PredictedRecord]:
    """Predictions of records, by the IDs that they were enqueued with: of each by one model.

    Args:
        rows: of the network (n, numbers), embeddings if the models are on an encoder.
    """
    of_models = np.array([routes.model_of(each.data_provider) for each in records], dtype=np.int64)
    found: dict[str, PredictedRecord] = {}
    for model in models:
        places = (of_models == model.id).nonzero()[0]
        if len(places):
            own = [records[place] for place in places]
            said = _predict(model, own, rows[places])
            found |= {record.asked_id: each for record, each in zip(own, said, strict=True)}
    return found


def _predict(
    model: LoadedModel, records: Sequence[RecordSeen], rows: NDArray[np.floating]
) -> list[PredictedRecord]:
    answers, concepts = model.answering.answers(rows), model.description.concept_uris
    predictions: list[list[RecordPrediction]] = [[] for _ in records]
    for place, column in np.argwhere(answers.written).tolist():
        record = records[place]
        prediction = RecordPrediction(
            record_id=record.record_id,
            concept_uri=concepts[column],
            confidence=float(answers.probabilities[place, column]),
            source=record.picture.source,
            image_url=record.picture.url,
            seen_at=record.seen_at,
        )
        predictions[place].append(prediction)
    surest = answers.probabilities.max(axis=1).tolist()
    said = zip(records, surest, answers.unlike.tolist(), predictions, strict=True)
    return [
        PredictedRecord(
            record_id=record.record_id,
            model_id=model.id,
            data_provider=record.data_provider,
            confidence=confidence,
            is_unlike=is_unlike,
            predictions=tuple(written),
        )
        for record, confidence, is_unlike, written in said
    ]
