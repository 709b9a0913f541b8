"""Models: what each promises for whom, how far it has drifted, and whom it serves."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from starlette.responses import Response

from common.store.tables import Role
from common.vision.answers.drift import drift_of_model
from common.vision.answers.promise import Promise
from desk.pages.asking import Asked, NotThereError, deed, go_to, page
from desk.pages.rendering import render
from desk.review.filters import Filters
from desk.review.model_list import list_versions, service_history
from desk.review.models import models_of

_KEPT = text("SELECT promise, thresholds FROM model WHERE id = :model_id")
_PROMISE = TypeAdapter(Promise)


def models(asked: Asked) -> Response:
    """The list."""
    with asked.desk.engine.connect() as connection:
        versions = list_versions(connection)
    return render(asked, "models", {"versions": versions})


def model(asked: Asked) -> Response:
    """One model."""
    filters = Filters.of({"model": asked.path("model")})
    with asked.desk.engine.connect() as connection:
        found = models_of(connection, filters)
        if not found:
            raise NotThereError(f"There is no model {asked.path('model')}.")
        shown = found[0]
        listed = next((each for each in list_versions(connection) if each.id == shown.id), None)
        history = service_history(connection, shown.id)
        kept = connection.execute(_KEPT, {"model_id": shown.id}).one()
    values = {
        "model": shown,
        "listed": listed,
        "history": history,
        "promise": promise_in_words(kept.promise),
        "thresholds": kept.thresholds,
        "drift": drift_of_model(asked.desk.engine, shown.id),
    }
    return render(asked, "model", values)


def promise_in_words(stored: dict[str, Any] | None) -> list[str]:
    """A promise as the store keeps it, in sentences."""
    if stored is None:
        return ["Nothing is promised. The way to a proof is an audit."]
    try:
        return _PROMISE.validate_python(stored).in_words()
    except ValidationError:
        return ["The promise in the store is damaged. Promote the model again."]


def activate(asked: Asked) -> Response:
    """Put a model in service for all records, after checking its files."""
    from trainer.models import registry  # loads torch

    name = asked.path("model")
    found = registry.activate(asked.desk.engine, asked.desk.settings.model_dir, name)
    return go_to(f"/models/{name}", told=f"{found.title} is in service for all records now.")


ROUTES = [
    page("/models", models),
    page("/models/{model}", model),
    deed("/models/{model}/activate", activate, Role.OPERATOR),
]
