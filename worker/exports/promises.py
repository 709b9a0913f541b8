"""What is promised of the enrichments in an export, and for whose records."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine, text

from common.errors import StoreError
from common.process.wrong_values import first_wrong
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

    Raises:
        StoreError: a promise is damaged.
    """
    asked = selection.asked()
    conditions = " AND ".join(_CONDITIONS[name] for name in asked)
    statement = text(
        f"SELECT name, version, promise FROM model WHERE {conditions} ORDER BY name, version"
    )
    with engine.connect() as connection:
        rows = connection.execute(statement, asked).all()
    titled = {ModelName(row.name, row.version).title: row.promise for row in rows}
    return {title: _promise(title, stored) for title, stored in titled.items()}


def _promise(title: str, stored: dict[str, Any] | None) -> Promise | None:
    try:
        return None if stored is None else _PROMISE.validate_python(stored)
    except ValidationError as error:
        raise StoreError(
            f"The promise of {title} in the store is damaged: {first_wrong(error)}. "
            "Promote the model again."
        ) from error


def told(promises: dict[str, Promise | None]) -> list[str]:
    """The promises in words, a line for each model."""
    return [
        f"{title}: {' '.join(promise.in_words()) if promise else UNKNOWN}"
        for title, promise in promises.items()
    ]
