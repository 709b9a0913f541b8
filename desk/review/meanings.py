"""The meanings of concepts for reviewers: definition, confirmed pictures, narrower concepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from common.store.teaching.standing_verdicts import STANDING_VERDICTS
from common.vocabulary.concepts import main_label

PICTURES = 5
MOST_NARROWER = 9  # one for each digit key
_CANDIDATES = 25  # enough for five confirmed pictures, unless reviewers often disagree

_VOCABULARY = text("SELECT vocabulary_id FROM model WHERE id = :model_id")
_DEFINITIONS = text("""
    SELECT concept_uri AS uri, definitions FROM vocabulary_concept
    WHERE vocabulary_id = :vocabulary_id AND concept_uri = ANY(CAST(:uris AS text[]))
""")
_CHILDREN = text(f"""
    SELECT parent.uri AS parent, child.concept_uri AS uri, child.labels
    FROM unnest(CAST(:uris AS text[])) AS parent(uri)
    CROSS JOIN LATERAL (
        SELECT concept_uri, category, labels FROM vocabulary_concept
        WHERE vocabulary_id = :vocabulary_id AND broader @> ARRAY[parent.uri]
        ORDER BY category COLLATE "C" LIMIT {MOST_NARROWER}
    ) AS child ORDER BY child.category COLLATE "C"
""")
# The index gives the candidates. Only for these the query reads the verdicts of all reviewers.
_CONFIRMED = text(f"""
    SELECT concept.uri, confirmed.record_id, record.title
    FROM unnest(CAST(:uris AS text[])) AS concept(uri)
    CROSS JOIN LATERAL (
        SELECT candidate.* FROM (
            SELECT record_id, max(judged_at) AS judged_at FROM (
                SELECT record_id, judged_at FROM verdict
                WHERE coalesce(instead_uri, concept_uri) = concept.uri
                  AND (said = 'right' OR instead_uri IS NOT NULL) AND withdrawn_at IS NULL
                  AND record_id <> ALL(CAST(:but AS text[]))
                  AND (audit_id IS NULL
                       OR audit_id IN (SELECT id FROM audit WHERE state = 'closed'))
                ORDER BY judged_at DESC LIMIT {_CANDIDATES}
            ) AS newest GROUP BY record_id
        ) AS candidate
        CROSS JOIN LATERAL (
            SELECT FROM ({STANDING_VERDICTS}) AS standing
            WHERE standing.record_id = candidate.record_id
              AND standing.concept_uri = concept.uri AND standing.verdict = 'right'
            OFFSET 0
        ) AS is_right
        ORDER BY candidate.judged_at DESC LIMIT {PICTURES}
    ) AS confirmed
    JOIN record ON record.id = confirmed.record_id
    ORDER BY confirmed.judged_at DESC
""")


@dataclass(frozen=True, kw_only=True)
class ConfirmedPicture:
    """A record that shows a concept, as reviewers confirmed."""

    record_id: str
    title: str | None


@dataclass(kw_only=True)
class ConceptMeaning:
    """The meaning of a concept. `narrower` has labels by URI, direct children first."""

    label: str
    definition: str = ""
    pictures: list[ConfirmedPicture] = field(default_factory=list)
    narrower: dict[str, str] = field(default_factory=dict)

    @property
    def is_told(self) -> bool:
        return bool(self.definition or self.pictures)


def meanings_of(
    connection: Connection,
    model_id: int,
    labels: Mapping[str, str],
    *,
    but: Sequence[str] = (),
    languages: Sequence[str],
) -> dict[str, ConceptMeaning]:
    """The meanings of concepts in the vocabulary of a model, if it has one.

    Args:
        labels: the labels of the concepts, by URI.
        but: records that the reviewer judges now, so they are not shown as confirmed.
    """
    found = {uri: ConceptMeaning(label=label) for uri, label in labels.items()}
    for row in connection.execute(_CONFIRMED, {"uris": list(found), "but": list(but)}):
        found[row.uri].pictures.append(ConfirmedPicture(record_id=row.record_id, title=row.title))
    vocabulary_id = connection.execute(_VOCABULARY, {"model_id": model_id}).scalar()
    if vocabulary_id is None:
        return found
    asked = {"vocabulary_id": vocabulary_id, "uris": list(found)}
    for row in connection.execute(_DEFINITIONS, asked):
        found[row.uri].definition = main_label(row.definitions, languages)
    _add_narrower(connection, vocabulary_id, found, languages)
    return found


def _add_narrower(
    connection: Connection,
    vocabulary_id: int,
    found: dict[str, ConceptMeaning],
    languages: Sequence[str],
) -> None:
    """Add narrower concepts level by level, until each concept has enough or there are no more."""
    lowest = {uri: [uri] for uri in found}
    while waiting := sorted({each for level in lowest.values() for each in level}):
        asked = {"vocabulary_id": vocabulary_id, "uris": waiting}
        rows = connection.execute(_CHILDREN, asked).all()
        for uri, above in lowest.items():
            narrower, known = found[uri].narrower, len(found[uri].narrower)
            for row in rows:
                if row.parent in above and len(narrower) < MOST_NARROWER:
                    narrower.setdefault(row.uri, main_label(row.labels, languages))
            is_full = len(narrower) == MOST_NARROWER
            lowest[uri] = [] if is_full else list(narrower)[known:]
