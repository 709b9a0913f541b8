"""Enrichments as base annotations of a CrowdHeritage campaign, in the annotation model of SAGE.

`soa:confidence` is a text there. https://github.com/ails-lab/CrowdHeritage_Documentation
"""

import codecs
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Annotated, Any, BinaryIO, TypedDict

from common.europeana.linked_data import annotation_id, iri
from common.europeana.record_ids import item_uri
from worker.exports.formats.texts import once_a_concept
from worker.exports.labels import NO_LABELS, ExportLabels
from worker.exports.rows import EnrichmentRow

PROPERTY = "dc:type"  # of a record, which the annotations are about
_SOA = "http://sw.islab.ntua.gr/annotation/"
SAGE_CONTEXT = {
    "as": "https://www.w3.org/ns/activitystreams#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "oa": "http://www.w3.org/ns/oa#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "soa": _SOA,
    "id": "@id",
    "type": "@type",
    "Annotation": "oa:Annotation",
    "Software": "as:Application",
    "RDFPropertySelector": "soa:RDFPropertySelector",
    "created": {"@id": "dcterms:created", "@type": "xsd:dateTime"},
    "creator": {"@id": "dcterms:creator", "@type": "@id"},
    "name": "foaf:name",
    "body": {"@id": "oa:hasBody", "@type": "@id"},
    "target": {"@id": "oa:hasTarget", "@type": "@id"},
    "source": {"@id": "oa:hasSource", "@type": "@id"},
    "selector": {"@id": "oa:hasSelector", "@type": "@id"},
    "property": {"@id": "soa:property", "@type": "@id"},
    "scope": {"@id": "oa:hasScope", "@type": "@id"},
    "confidence": "soa:confidence",
}


class BaseAnnotation(TypedDict):
    id: Annotated[str, "`urn:uuid:` of the enrichment, the same in every export"]
    type: Annotated[str, "`Annotation`"]
    created: Annotated[str, "time of the last change to the enrichment, in UTC"]
    creator: Annotated[
        dict[str, str], "`type` is `Software`, and `name` is the model, such as `vases v2`"
    ]
    body: Annotated[str, "URI of the concept"]
    confidence: Annotated[
        str, "probability that the picture shows the concept, 0 to 1 with four digits"
    ]
    target: Annotated[
        dict[str, Any],
        "`source` is the URI of the record, and `selector` is the property `dc:type`",
    ]
    scope: Annotated[str, "`dc:type`"]


_utf_8 = codecs.getwriter("utf-8")


def write_crowdheritage(
    rows: Iterable[EnrichmentRow], stream: BinaryIO, labels: ExportLabels = NO_LABELS
) -> int:
    """Write one document with all annotations; returns their number.

    It has no labels: CrowdHeritage shows those of its own vocabularies.
    """
    count, file = 0, _utf_8(stream)
    file.write(f'{{"@context": {json.dumps(SAGE_CONTEXT)},\n"@graph": [')
    for count, row in enumerate(once_a_concept(rows), start=1):
        between = ",\n" if count > 1 else "\n"
        file.write(between + json.dumps(_base_annotation(row), ensure_ascii=False))
    file.write("\n]}\n")
    return count


def _base_annotation(row: EnrichmentRow) -> BaseAnnotation:
    selector = {"type": "RDFPropertySelector", "property": PROPERTY}
    return {
        "id": annotation_id(row.record_id, row.concept, row.model),
        "type": "Annotation",
        "created": row.written.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "creator": {"type": "Software", "name": row.model},
        "body": iri(row.concept),
        "confidence": f"{row.confidence:.4f}",
        "target": {"source": item_uri(row.record_id), "selector": selector},
        "scope": PROPERTY,
    }
