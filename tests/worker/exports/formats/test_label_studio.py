"""Tasks of Label Studio, and the configuration that they need."""

import io
import json
from xml.etree import ElementTree

from tests.worker.exports.rows import FULL, MAP, PAINTING, row
from worker.exports.formats.label_studio import write_configuration, write_tasks

THUMBNAIL = "https://t.example/thumbnail"


def tasks(*rows):
    stream = io.BytesIO()
    count = write_tasks(rows, stream, api_url="https://api.example")
    return count, json.loads(stream.getvalue())


def test_a_task_is_a_thumbnail_with_a_prediction_for_each_concept():
    count, (first, second) = tasks(
        row(confidence=0.9),
        row(concept=PAINTING, confidence=0.7, model="b v2"),
        row(concept=PAINTING, confidence=0.6),
        row(record_id="/1/b", picture="thumbnail", image_url=THUMBNAIL),
    )
    assert count == 3
    assert first["data"]["image"].startswith("https://api.example/thumbnail/v3/400/")
    assert first["data"]["image"] != second["data"]["image"] == THUMBNAIL != FULL
    assert first["data"]["suggested"] == {MAP: "vases v1", PAINTING: "b v2"}
    assert [
        (each["score"], each["model_version"], each["result"][0]["value"]["choices"])
        for each in first["predictions"]
    ] == [(0.9, "vases v1", [MAP]), (0.7, "b v2", [PAINTING])]


def test_no_row_is_an_empty_list():
    assert tasks() == (0, [])


def test_the_configuration_has_a_choice_for_each_concept_and_the_names_of_the_tasks():
    stream = io.BytesIO()
    write_configuration({MAP: 'a "map" & <more>', PAINTING: "oil", "http://x/1": "oil"}, stream)
    view = ElementTree.fromstring(stream.getvalue())
    picture, choices = view.find("Image"), view.find("Choices")
    _, (task,) = tasks(row())
    (said,) = task["predictions"][0]["result"]
    assert (said["from_name"], said["to_name"]) == (choices.get("name"), picture.get("name"))
    assert choices.get("toName") == picture.get("name")
    assert {each.get("alias"): each.get("value") for each in choices} == {
        MAP: 'a "map" & <more>',
        PAINTING: f"oil ({PAINTING})",
        "http://x/1": "oil (http://x/1)",
    }
