"""A row of an export: what the store says of an enrichment, and what its model promises of it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from sqlalchemy import Connection, text

from common.vision.answers.provider_names import provider_name
from worker.enrich.heatmap_files import relative_path
from worker.exports.labels import SELECTED_MODELS, ExportLabels

_USER = re.compile(r"(?<=://)[^/?#]*@")
_KEY = re.compile(r"(?<=[?&])(?:wskey|api_?key|utm_campaign)=[^&#]*&?", re.IGNORECASE)
_MODELS = """
    SELECT model.name || ' v' || model.version AS title, model.thresholds,
           CASE jsonb_typeof(promise -> 'providers') WHEN 'object'
           THEN ARRAY(SELECT jsonb_object_keys(promise -> 'providers')) END AS providers,
           (SELECT encoder.name FROM encoder WHERE encoder.id = model.encoder_id) AS encoder
    FROM model
"""

RowMaker = Callable[[Any], "EnrichmentRow"]
Promised = Literal["none", "model", "certificate"]


class EnrichmentRow(NamedTuple):
    """A concept that a model saw in a picture of a record."""

    record_id: Annotated[str, "ID of the record, such as `/90402/RP_P_1984_87`"]
    concept: Annotated[str, "URI of the concept"]
    label: Annotated[
        str, "label of the concept, in the first language of `--lang` that has a label"
    ]
    confidence: Annotated[float, "probability that the picture shows the concept, 0 to 1"]
    model: Annotated[str, "name and version of the model, such as `vases v2`"]
    picture: Annotated[str, "source of the picture: `media` or `thumbnail`"]
    image_url: Annotated[str, "URL of this picture, without keys and passwords"]
    heatmap: Annotated[str | None, "path of the heatmap in HEATMAP_DIR"]
    seen: Annotated[datetime | None, "time at which the model looked at the picture"]
    verdict: Annotated[
        str | None,
        "verdict of the reviewers: `right`, `wrong`, `too_general`, `cannot_tell` or `disputed`",
    ]
    provider: Annotated[str | None, "data provider of the record"]
    rights: Annotated[str | None, "rights statement of the record, a URI"]
    job: Annotated[str, "ID of the job that wrote the enrichment"]
    encoder: Annotated[str | None, "name of the model's encoder; empty for a whole network"]
    threshold: Annotated[float | None, "lowest confidence with which the model writes this concept"]
    promise: Annotated[
        Promised,
        "proof of the precision. `certificate`: an audit of this model that includes the "
        "enrichment. `model`: the promise of the model for this data provider. `none`: there is "
        "no proof",
    ]
    written: Annotated[datetime, "time of the last change to the enrichment"]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """`providers` are those that the model's promise names."""

    thresholds: Mapping[str, float | None]
    providers: frozenset[str]
    encoder: str | None


def row_maker(
    connection: Connection, asked: Mapping[str, object], labels: ExportLabels
) -> RowMaker:
    """What makes a row from the columns of `selection`. The models are read once.

    Args:
        asked: the selection by the names of its members.
    """
    facts = _read_facts(connection, asked)
    name_of = cache(provider_name)

    def promised(facts: ModelFacts, threshold: float | None, provider: str | None) -> Promised:
        is_named = provider is not None and name_of(provider) in facts.providers
        return "model" if is_named and threshold is not None else "none"

    def make(columns: Any) -> EnrichmentRow:
        (record_id, concept, label, confidence, model, picture, image_url, job) = columns[:8]
        (written, heatmap, seen, verdict, provider, rights, is_certified) = columns[8:15]
        of_model = facts[model]
        threshold = of_model.thresholds.get(concept)
        return EnrichmentRow(
            record_id,
            concept,
            labels.main(model, concept) or label,
            confidence,
            model,
            picture,
            published(image_url),
            relative_path(heatmap) if heatmap else None,
            seen,
            verdict,
            provider,
            rights,
            job,
            of_model.encoder,
            threshold,
            "certificate" if is_certified else promised(of_model, threshold, provider),
            written,
        )

    return make


def _read_facts(connection: Connection, asked: Mapping[str, object]) -> dict[str, ModelFacts]:
    named = [name for name in asked if name in SELECTED_MODELS]
    conditions = " AND ".join(SELECTED_MODELS[name] for name in named) or "true"
    found = connection.execute(
        text(f"{_MODELS} WHERE {conditions}"), {name: asked[name] for name in named}
    )
    return {
        row.title: ModelFacts(
            thresholds=row.thresholds,
            providers=frozenset(row.providers or ()),
            encoder=row.encoder,
        )
        for row in found
    }


def published(url: str) -> str:
    """The URL without user name, password and parameters that hold an API key of Europeana.

    Harvested URLs have none of these; URLs of tables that were made by hand may have.
    """
    bare = _USER.sub("", url)
    without_key, found = _KEY.subn("", bare)
    return without_key.rstrip("?&") if found else bare
