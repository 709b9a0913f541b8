"""Labels of concepts in exports: those of the vocabulary of the model that found them.

They are read once, before the rows: a model has some hundred concepts, an export millions of rows.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

from common.store.tables.jobs import JOB_MODELS
from common.vocabulary.concepts import ByLanguage, main_label

SELECTED_MODELS = {
    "job": f"id IN (SELECT unnest({JOB_MODELS}) FROM job WHERE id = :job)",
    "model": "name = :model",
    "version": "version = :version",
    "since": """EXISTS (SELECT 1 FROM enrichment
                        WHERE model_id = model.id AND updated_at >= :since)""",
    "changed_since": "EXISTS (SELECT 1 FROM enrichment WHERE model_id = model.id)",
}
_LABELS = """
    SELECT model.name || ' v' || model.version AS model, concept.uri,
           coalesce(kept.labels, jsonb_build_object('', concept.label)) AS labels
    FROM model CROSS JOIN unnest(model.labels) AS each(uri)
    JOIN concept ON concept.uri = each.uri
    LEFT JOIN vocabulary_concept AS kept
      ON kept.vocabulary_id = model.vocabulary_id AND kept.concept_uri = each.uri
"""


class ExportLabels:
    """By title of the model and URI of the concept.

    A model that names no vocabulary has one label for each concept, without a language.

    `languages` are those of all labels, in alphabetical order.
    """

    def __init__(
        self, labels: Iterable[tuple[str, str, ByLanguage]] = (), wanted: Iterable[str] = ()
    ) -> None:
        known = list(labels)
        wanted = list(wanted)
        self.languages = tuple(sorted({tag for *_, each in known for tag in each if tag}))
        self._none = (None,) * len(self.languages)
        self._main = {(model, uri): main_label(each, wanted) for model, uri, each in known}
        self._tagged = {
            (model, uri): {tag: each[tag] for tag in self.languages if tag in each}
            for model, uri, each in known
        }
        self._texts = {
            concept: tuple(map(each.get, self.languages)) for concept, each in self._tagged.items()
        }

    def main(self, model: str, uri: str) -> str | None:
        """The label in the wanted language."""
        return self._main.get((model, uri))

    def texts(self, model: str, uri: str) -> tuple[str | None, ...]:
        """The labels in the order of the languages."""
        return self._texts.get((model, uri), self._none)

    def of_concepts(self) -> dict[str, str]:
        """The label of each concept that a model of the selection knows, by URI."""
        return {uri: label for (_, uri), label in self._main.items() if label}

    def by_language(self, model: str, uri: str) -> Mapping[str, str]:
        return self._tagged.get((model, uri), {})

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"label_{language}" for language in self.languages)


NO_LABELS = ExportLabels()


def read_labels(
    connection: Connection, asked: Mapping[str, object], wanted: Iterable[str]
) -> ExportLabels:
    """The labels of the concepts of all models of a selection.

    Args:
        asked: the selection by the names of its members; those that are about records do not count.
        wanted: languages, the best first.
    """
    names = [name for name in asked if name in SELECTED_MODELS]
    conditions = " AND ".join(SELECTED_MODELS[name] for name in names) or "true"
    rows = connection.execute(
        text(f"{_LABELS} WHERE {conditions}"), {name: asked[name] for name in names}
    )
    return ExportLabels(((row.model, row.uri, row.labels) for row in rows), wanted)
