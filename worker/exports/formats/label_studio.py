"""Enrichments as tasks of Label Studio, and the labelling configuration for them.

A task is a picture with one prediction for each concept, because a prediction has one score.
The choices show labels. Their aliases are concept URIs, and Label Studio writes these into results.
`data.suggested` has each suggested concept with its model. It comes back in an export, which may
lack the predictions. https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
"""

import codecs
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, BinaryIO, TypedDict
from xml.sax.saxutils import quoteattr

from common.europeana.record_ids import item_uri
from common.pictures.sources import thumbnail_url
from common.process.foreign_text import UNFIT
from common.store.tables import PictureSource
from worker.exports.formats.texts import once_a_concept
from worker.exports.labels import NO_LABELS, ExportLabels
from worker.exports.rows import EnrichmentRow

CHOICE, PICTURE = "choice", "image"  # the names that configuration and tasks share


class TaskData(TypedDict):
    image: Annotated[str, "URL of Europeana's thumbnail of the picture"]
    record_id: Annotated[str, "ID of the record"]
    item: Annotated[str, "URI of the record"]
    suggested: Annotated[
        dict[str, str],
        "URI of each suggested concept, with its model",
    ]


class TaskPrediction(TypedDict):
    model_version: Annotated[str, "name and version of the model, such as `vases v2`"]
    score: Annotated[float, "probability that the picture shows the concept, 0 to 1"]
    result: Annotated[
        list[dict[str, Any]],
        "choice of the model: `value.choices` has the URI of the concept",
    ]


class LabelTask(TypedDict):
    data: TaskData
    predictions: list[TaskPrediction]


_utf_8 = codecs.getwriter("utf-8")


def write_tasks(
    rows: Iterable[EnrichmentRow],
    stream: BinaryIO,
    labels: ExportLabels = NO_LABELS,
    *,
    api_url: str,
) -> int:
    """Write a JSON array of tasks, one a record; returns the number of predictions.

    Args:
        api_url: of Europeana, whose thumbnails are shown.
    """
    count, file = 0, _utf_8(stream)
    before = "[\n"
    for _, found in groupby(once_a_concept(rows), key=attrgetter("record_id")):
        seen = list(found)
        file.write(before + json.dumps(_task(seen, api_url), ensure_ascii=False))
        before = ",\n"
        count += len(seen)
    file.write("\n]\n" if count else "[]\n")
    return count


def write_configuration(concepts: Mapping[str, str], stream: BinaryIO) -> None:
    """Write the labelling configuration: a choice for each concept.

    Args:
        concepts: labels by URI. Where several have the same label, it gets the URI beside it.
    """
    often = Counter(concepts.values())
    choices = "".join(
        f"    <Choice value={_quoted(label if often[label] == 1 else f'{label} ({uri})')}"
        f" alias={_quoted(uri)}/>\n"
        for uri, label in sorted(concepts.items(), key=lambda each: (each[1], each[0]))
    )
    stream.write(
        f'<View>\n  <Image name="{PICTURE}" value="${PICTURE}"/>\n'
        f'  <Choices name="{CHOICE}" toName="{PICTURE}" choice="multiple">\n'
        f"{choices}  </Choices>\n</View>\n".encode()
    )


def _quoted(text: str) -> str:
    return quoteattr(UNFIT.sub("", text))


def _task(found: list[EnrichmentRow], api_url: str) -> LabelTask:
    first = found[0]
    is_thumbnail = first.picture == PictureSource.THUMBNAIL
    picture = first.image_url if is_thumbnail else thumbnail_url(first.image_url, api_url=api_url)
    return {
        "data": {
            "image": picture,
            "record_id": first.record_id,
            "item": item_uri(first.record_id),
            "suggested": {row.concept: row.model for row in found},
        },
        "predictions": [_prediction(row) for row in found],
    }


def _prediction(row: EnrichmentRow) -> TaskPrediction:
    chosen = {"from_name": CHOICE, "to_name": PICTURE, "type": "choices"}
    result = [chosen | {"value": {"choices": [row.concept]}}]
    return {"model_version": row.model, "score": round(row.confidence, 4), "result": result}
