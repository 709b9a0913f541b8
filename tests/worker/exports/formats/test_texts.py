"""The bytes of CSV, annotations and EDM."""

import csv
import io
import json
import tracemalloc
from typing import Any

import pytest
from rdflib import Graph, URIRef

from common.europeana import edm
from tests.common.europeana.linked_data import OA, triples
from tests.worker.exports.rows import FULL, MAP, PAINTING, ROW, row, rows
from worker.exports.formats.texts import ANNOTATIONS_A_PAGE, write_csv, write_edm, write_jsonld

BOTH = [
    row(confidence=0.9),
    row(concept=PAINTING, confidence=0.7),
    row(confidence=0.6, model="vases v2"),
    row(record_id="/1/b", confidence=0.5),
]


def pages(given: list[Any], **options: Any) -> list[dict[str, Any]]:
    stream = io.BytesIO()
    write_jsonld(given, stream, **options)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_table_has_a_line_a_row_in_utf8() -> None:
    stream = io.BytesIO()
    assert (
        write_csv(
            [
                row(label="gemälde, öl", verdict="right", provider="=Museum", threshold=0.5),
                row(model="b v2", heatmap="ab/cd.jpg", seen=None, promise="model", encoder="dino"),
            ],
            stream,
        )
        == 2
    )
    seen, written = "2026-11-23T21:58:00+00:00", "2026-11-23T22:00:05+00:00"
    assert stream.getvalue().decode("utf-8") == (
        "record_id,concept,label,confidence,model,picture,image_url,heatmap,seen,verdict,"
        "provider,rights,job,encoder,threshold,promise,written\n"
        f'/1/a,{MAP},"gemälde, öl",0.9123,vases v1,media,{FULL},,{seen},right,'
        f"'=Museum,,{ROW.job},,0.5000,none,{written}\n"
        f"/1/a,{MAP},map,0.9123,b v2,media,{FULL},ab/cd.jpg,,,"
        f",,{ROW.job},dino,,model,{written}\n"
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str) -> None:
    stream = io.BytesIO()
    write_csv([row(label=f'{start}HYPERLINK("http://evil.example")')], stream)
    lines = io.StringIO(stream.getvalue().decode(), newline="")
    (line,) = csv.DictReader(lines)
    assert line["label"] == f'\'{start}HYPERLINK("http://evil.example")'


def test_each_line_of_annotations_is_a_batch_of_bounded_size() -> None:
    found = pages(rows(ANNOTATIONS_A_PAGE + 1))
    assert [len(page["items"]) for page in found] == [ANNOTATIONS_A_PAGE, 1]
    assert {page["type"] for page in found} == {"AnnotationPage"}
    targets = [item["target"] for page in found for item in page["items"]]
    assert targets[-1] == f"http://data.europeana.eu/item/1/r{ANNOTATIONS_A_PAGE:06d}"
    assert len(set(targets)) == len(targets)


def test_a_batch_says_the_same_to_a_reader_of_linked_data() -> None:
    (page,) = pages(BOTH)
    bodies = [value for _, predicate, value in triples(page) if predicate == f"{OA}hasBody"]
    assert sorted(bodies) == [MAP, MAP, PAINTING]


def test_linked_data_says_a_concept_of_a_record_once_in_the_words_of_the_surest() -> None:
    (page,) = pages(BOTH)
    told = [(each["body"], each["score"]["confidence"]) for each in page["items"]]
    assert told == [(MAP, 0.9), (PAINTING, 0.7), (MAP, 0.5)]
    assert page["items"][0]["creator"]["name"] == "vases v1"


def test_the_target_is_the_record_or_where_the_file_was_seen_its_image() -> None:
    item = "http://data.europeana.eu/item/1/a"
    seen = [row(), row(concept=PAINTING, picture="thumbnail", image_url="https://t.example/1")]
    (of_records,) = pages(seen)
    assert [each["target"] for each in of_records["items"]] == [item, item]
    (of_images,) = pages(seen, target="image")
    assert [each["target"] for each in of_images["items"]] == [
        {"scope": item, "source": FULL},
        item,
    ]


def test_edm_gathers_the_concepts_of_a_record() -> None:
    stream = io.BytesIO()
    assert write_edm(BOTH, stream) == 3
    text = stream.getvalue().decode()
    assert text.count("<edm:ProvidedCHO ") == 2
    graph = Graph().parse(data=text, format="xml")
    item = URIRef("http://data.europeana.eu/item/1/a")
    kinds = {str(kind) for kind in graph.objects(item, URIRef(f"{edm.DC}type"))}
    assert kinds == {MAP, PAINTING}
    assert 'edm:confidenceLevel="0.9000"' in text
    assert 'edm:confidenceLevel="0.6000"' not in text


def test_nothing_found_is_a_table_without_lines_no_page_and_an_empty_document() -> None:
    streams = {write: io.BytesIO() for write in (write_csv, write_jsonld, write_edm)}
    assert [write([], stream) for write, stream in streams.items()] == [0, 0, 0]
    assert streams[write_csv].getvalue().count(b"\n") == 1
    assert streams[write_jsonld].getvalue() == b""
    assert len(Graph().parse(data=streams[write_edm].getvalue(), format="xml")) == 0


@pytest.mark.parametrize("write", [write_csv, write_jsonld, write_edm])
def test_memory_does_not_grow_with_the_number_of_rows(write: Any) -> None:
    class Nowhere(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            return len(data)

    tracemalloc.start()
    write((row(record_id=f"/1/r{number}") for number in range(10_000)), Nowhere())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000  # bytes; the rows alone would take four times as much
