"""What is promised of the enrichments in an export, for whose records, and what is certified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine, text

from common.errors import StoreError
from common.process.wrong_values import first_wrong
from common.store.model_names import ModelName
from common.store.teaching.certificates import StandingCertificate, standing_certificates
from common.vision.answers.promise import Promise
from worker.exports.labels import SELECTED_MODELS
from worker.exports.selection import Selection

UNKNOWN = "Its promise is unknown, because an older version made the model."
_PROMISE = TypeAdapter(Promise)


@dataclass(frozen=True, kw_only=True)
class ModelPromise:
    """The promise of a model, None if the store does not know it, and its certificates."""

    promise: Promise | None
    certificates: tuple[StandingCertificate, ...] = ()

    def in_words(self) -> str:
        promised = self.promise.in_words() if self.promise else []
        certified = [str(each) for each in self.certificates]
        return " ".join([*promised, *certified]) or UNKNOWN


def promises_of(engine: Engine, selection: Selection) -> dict[str, ModelPromise]:
    """What is promised of each model whose enrichments are selected, by its title.

    Certificates are those that are about enrichments of the selection.

    Raises:
        StoreError: a promise is damaged.
    """
    asked = selection.asked()
    named = [SELECTED_MODELS[name] for name in asked if name in SELECTED_MODELS]
    conditions = " AND ".join(named)
    statement = text(
        f"SELECT id, name, version, promise FROM model WHERE {conditions} ORDER BY name, version"
    )
    with engine.connect() as connection:
        rows = connection.execute(statement, asked).all()
        certificates = standing_certificates(
            connection, [row.id for row in rows], job_id=selection.job, since=selection.since
        )
    return {
        (title := ModelName(row.name, row.version).title): ModelPromise(
            promise=_promise(title, row.promise),
            certificates=tuple(each for each in certificates if each.model_id == row.id),
        )
        for row in rows
    }


def _promise(title: str, stored: dict[str, Any] | None) -> Promise | None:
    try:
        return None if stored is None else _PROMISE.validate_python(stored)
    except ValidationError as error:
        raise StoreError(
            f"The promise of {title} in the store is damaged: {first_wrong(error)}. "
            "Promote the model again."
        ) from error


def told(promises: Mapping[str, ModelPromise]) -> list[str]:
    """The promises in words, a line for each model."""
    return [f"{title}: {promise.in_words()}" for title, promise in promises.items()]
