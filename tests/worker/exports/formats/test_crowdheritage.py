"""Base annotations of CrowdHeritage, as JSON and as linked data."""

import io
import json

from tests.common.europeana.linked_data import OA, triples
from tests.worker.exports.rows import MAP, PAINTING, row
from worker.exports.formats.crowdheritage import write_crowdheritage


def written(*rows):
    stream = io.BytesIO()
    return write_crowdheritage(rows, stream), json.loads(stream.getvalue())


def test_each_concept_of_a_record_is_an_annotation_with_its_confidence():
    rows = (row(), row(model="b v2", confidence=0.5), row(concept=PAINTING, confidence=0.25))
    count, document = written(*rows)
    assert count == 2
    assert [(each["body"], each["confidence"]) for each in document["@graph"]] == [
        (MAP, "0.9123"), (PAINTING, "0.2500"),
    ]  # fmt: skip
    first = document["@graph"][0]
    assert first["creator"] == {"type": "Software", "name": "vases v1"}
    assert first["target"]["source"] == "http://data.europeana.eu/item/1/a"
    assert (first["scope"], first["created"]) == ("dc:type", "2026-11-23T22:00:05Z")


def test_linked_data_keeps_the_confidence():
    found = {(predicate, value) for _, predicate, value in triples(written(row())[1])}
    assert ("http://sw.islab.ntua.gr/annotation/confidence", "0.9123") in found
    assert (f"{OA}hasBody", MAP) in found


def test_no_row_is_an_empty_graph():
    assert written()[1]["@graph"] == []
