"""An item as the Search API shows it: which members, in which form, in which profile."""

from collections.abc import Iterable, Mapping
from typing import Any

from deploy.sandbox.addresses import Addresses, landing_page
from deploy.sandbox.catalogue import Catalogue, Item, LangMap

PROFILES = ("minimal", "standard", "rich")  # each has all that the one before has
Json = dict[str, Any]


def search_item(
    item: Item, catalogue: Catalogue, addresses: Addresses, *, profile: str, key: str
) -> Json:
    """The members of an item in a profile; empty ones are left out.

    `guid` and `link` hold the caller's key, as Europeana's do.
    """
    members = _minimal(item, addresses, key)
    if profile != "minimal":
        members |= _standard(item, catalogue)
    if profile == "rich":
        members |= {
            "dcTypeLangAware": merge_labels(item.concepts, catalogue.concept_labels),
            "edmLandingPage": f"https://www.europeana.eu/item{item.id}",
        }
    return {name: value for name, value in members.items() if value not in ([], {}, None)}


def _minimal(item: Item, addresses: Addresses, key: str) -> Json:
    campaign = f"utm_source=api&utm_medium=api&utm_campaign={key}"
    return {
        "id": item.id,
        "guid": f"https://www.europeana.eu/item{item.id}?{campaign}",
        "link": f"{addresses.api_url}/record{item.id}.json?wskey={key}",
        "type": item.type,
        "title": _texts(item.title),
        "dcTitleLangAware": item.title,
        "dcDescription": _texts(item.description),
        "dcDescriptionLangAware": item.description,
        "edmIsShownAt": [landing_page(item)],
        "edmIsShownBy": [addresses.media_url(item)] if item.shown_by else [],
        "edmPreview": [addresses.preview_url(item)],
        "dataProvider": [item.data_provider],
        "provider": [item.provider],
        "rights": [item.rights],
        "europeanaCompleteness": 10,
        "score": 1.0,
    }


def _standard(item: Item, catalogue: Catalogue) -> Json:
    labels = merge_labels(item.concepts, catalogue.concept_labels)
    return {
        "country": [item.country],
        "edmConcept": list(item.concepts),
        "edmConceptLabel": [{"def": text} for text in _texts(labels)],
        "edmConceptPrefLabelLangAware": labels,
        "edmDatasetName": [f"{item.id.split('/')[1]}_sandbox"],
        "europeanaCollectionName": [f"{item.id.split('/')[1]}_sandbox"],
        "previewNoDistribute": False,
        "ugc": [False],
        "completeness": 10,
        "index": 0,
        "timestamp": item.updated * 1000,
        "timestamp_created": item.timestamp,
        "timestamp_created_epoch": item.updated * 1000,
        "timestamp_update": item.timestamp,
        "timestamp_update_epoch": item.updated * 1000,
    }


def merge_labels(concepts: Iterable[str], labels: Mapping[str, LangMap]) -> LangMap:
    """The labels of several concepts as one map from language to texts."""
    merged: dict[str, list[str]] = {}
    for concept in concepts:
        for language, texts in labels.get(concept, {}).items():
            merged.setdefault(language, []).extend(texts)
    return merged


def _texts(labels: LangMap) -> list[str]:
    return [text for texts in labels.values() for text in texts]
