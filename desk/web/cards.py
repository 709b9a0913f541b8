"""Cards: suggestions to judge. The address of a page names them, so a reload shows the same."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from common.errors import ModelError
from common.store.teaching.verdicts import count_judged
from common.vocabulary.concepts import main_label
from common.vocabulary.languages import READER
from desk.review.meanings import meanings_of
from desk.review.shown_models import ShownModel
from desk.review.suggestions import ProbableConcept, Suggestion, suggestions_asked
from desk.review.thoughts import Thought, thoughts_of_records
from desk.web.asking import DeskRequest
from desk.web.desk import Desk

AT_A_TIME = 10
MOST_CARDS = 50  # that an address names
FIFTY = 50  # judged pictures of a data provider: enough for a useful refit
_ALL_CONCEPTS = text("""
    SELECT uri, label, named.labels
    FROM concept LEFT JOIN LATERAL (
        SELECT labels, vocabulary_id FROM vocabulary_concept
        WHERE concept_uri = uri AND vocabulary_id IN (CAST(:vocabulary AS int), named_by)
        ORDER BY vocabulary_id = :vocabulary DESC NULLS LAST LIMIT 1) AS named ON true
    ORDER BY (named.vocabulary_id = :vocabulary) DESC NULLS LAST, label LIMIT 2000
""")

Card = tuple[UUID, Suggestion]
"""The ID for the verdict of a form without a script, and the suggestion to judge."""


def named_cards(asked: DeskRequest) -> list[tuple[str, str]]:
    named = asked.request.query_params.getlist("card")[:MOST_CARDS]
    return [
        (record_id, concept) for record_id, _, concept in (each.partition(" ") for each in named)
    ]


def address_of_cards(address: str, keys: Iterable[tuple[str, str]]) -> str:
    """The address that names these cards. A script puts it into the browser's address bar."""
    cards = urlencode([("card", " ".join(key)) for key in keys])
    return f"{address}&{cards}"


def asked_cards(
    connection: Connection,
    desk: Desk,
    keys: Sequence[tuple[str, str]],
    models: Sequence[ShownModel],
) -> list[Card]:
    """The cards of records and concepts, with the most probable concepts of the first model."""
    found = suggestions_asked(connection, keys, [each.id for each in models])
    model, thoughts = next(iter(models), None), {}
    if model is not None:
        with suppress(ModelError):  # without the bundle, people can still judge its enrichments
            record_ids = [each.record_id for each in found]
            thoughts = thoughts_of_records(connection, desk.heads, model, record_ids)
        found = [_with_thought(each, model, thoughts.get(each.record_id)) for each in found]
    return [(uuid4(), each) for each in found]


def _with_thought(card: Suggestion, model: ShownModel, thought: Thought | None) -> Suggestion:
    probable = thought.probable if thought else {}
    suggested_by = model.id if card.concept in model.concepts else None
    return replace(
        card,
        model_id=card.model_id or suggested_by,
        confidence=probable.get(card.concept or "") if card.confidence is None else card.confidence,
        probable=tuple(
            ProbableConcept(uri=uri, label=model.concepts.get(uri, uri), confidence=confidence)
            for uri, confidence in probable.items()
        ),
    )


def of_cards(
    connection: Connection,
    asked: DeskRequest,
    cards: Sequence[Card],
    *,
    models: Sequence[ShownModel] = (),
    address: str = "",
) -> dict[str, object]:
    """The values for the template of cards. Forms without a script lead back to this page.

    Args:
        models: the models whose suggestions these are. The vocabulary of the first one gives the
            meanings of concepts.
    """
    record_ids = {each.record_id for _, each in cards}
    labels = {each.concept: each.label or "" for _, each in cards if each.concept}
    meanings = {}
    if models:
        but = list(record_ids)
        meanings = meanings_of(connection, models[0].id, labels, but=but, languages=READER.get())
    asked_for = asked.request.query_params.multi_items()
    own = [(name, value) for name, value in asked_for if name not in ("told", "signed")]
    return {
        "cards": cards,
        "meanings": meanings,
        "all_concepts": all_concepts(connection, models[0].vocabulary_id if models else None),
        "judged_so_far": count_judged(connection, record_ids, most=FIFTY),
        "address": address,
        "back": address or f"{asked.request.url.path}?{urlencode(own)}",
    }


def all_concepts(connection: Connection, vocabulary_id: int | None = None) -> dict[str, str]:
    """The concepts to choose from, as words with their URIs.

    The concepts of the vocabulary come first. If several concepts share a label, the words
    include the URI.
    """
    rows = connection.execute(_ALL_CONCEPTS, {"vocabulary": vocabulary_id})
    languages = READER.get()
    named = [(main_label(row.labels or {}, languages) or row.label, row.uri) for row in rows]
    count = Counter(label for label, _ in named)
    return {label if count[label] == 1 else f"{label} ({uri})": uri for label, uri in named}
