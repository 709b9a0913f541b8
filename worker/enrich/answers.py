"""From rows of numbers to predictions: all records of a chunk at once, for each of its models."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worker.enrich.models import LoadedModel
from worker.enrich.seen import RecordSeen
from worker.ledger.enrichments import RecordPrediction


def predictions(
    model: LoadedModel, records: Sequence[RecordSeen], rows: NDArray[np.floating]
) -> list[RecordPrediction]:
    """What a model says of records; `rows` (n, numbers) are embeddings if it is on an encoder."""
    if not records:
        return []
    answers = model.answering.answers(rows)
    concepts = model.description.concept_uris
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
