"""What is promised of the enrichments in an export, and for whose records."""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Engine, text

from common.store.model_names import ModelName
from common.vision.answers.promise import Promise
from worker.exports.selection import Selection

UNKNOWN = "Nothing is known of its promise: the model was made before promises said for whom."
_CONDITIONS = {
    "job": "id IN (SELECT unnest(array_prepend(model_id, also_models)) FROM job WHERE id = :job)",
    "model": "name = :model",
    "version": "version = :version",
    "since": """EXISTS (SELECT 1 FROM enrichment
                        WHERE model_id = model.id AND updated_at >= :since)""",
}
_PROMISE = TypeAdapter(Promise)


def promises_of(engine: Engine, selection: Selection) -> dict[str, Promise | None]:
    """The promise of each model whose enrichments are selected, by its title.

    None for a model whose promise the store does not know.
    """
    asked = selection.asked()
    conditions = " AND ".join(_CONDITIONS[name] for name in asked)
    statement = text(
        f"SELECT name, version, promise FROM model WHERE {conditions} ORDER BY name, version"
    )
    with engine.connect() as connection:
        rows = connection.execute(statement, asked).all()
    return {ModelName(row.name, row.version).title: _promise(row.promise) for row in rows}


def _promise(stored: dict[str, Any] | None) -> Promise | None:
    return None if stored is None else _PROMISE.validate_python(stored)


def told(promises: dict[str, Promise | None]) -> list[str]:
    """The promises in words, a line for each model."""
    return [
        f"{title}: {' '.join(promise.in_words()) if promise else UNKNOWN}"
        for title, promise in promises.items()
    ]
