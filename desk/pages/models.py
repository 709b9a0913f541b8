"""The pages of models: their promise, their drift, and the records that they serve."""

from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from starlette.responses import Response

from common.errors import UsageError
from common.store.in_service import models_in_service, serving
from common.store.tables import Role
from common.store.teaching.certificates import standing_certificates
from common.vision.answers.drift import drift_of_model
from common.vision.answers.promise import Promise
from desk.review.filters import ViewFilters
from desk.review.model_list import list_versions, service_history
from desk.review.shown_models import models_of
from desk.web.asking import DeskRequest, NotThereError, action, go_to, page
from desk.web.rendering import render
from trainer.models import service

_KEPT = text("SELECT promise, thresholds FROM model WHERE id = :model_id")
_PROMISE = TypeAdapter(Promise)


def models(asked: DeskRequest) -> Response:
    with asked.desk.engine.connect() as connection:
        versions = list_versions(connection)
        values = {
            "versions": versions,
            "certificates": standing_certificates(connection, [each.id for each in versions]),
            "serving": models_in_service(connection),
        }
    return render(asked, "models", values)


def model(asked: DeskRequest) -> Response:
    filters = ViewFilters.of({"model": asked.path("model")})
    with asked.desk.engine.connect() as connection:
        found = models_of(connection, filters)
        if not found:
            raise NotThereError(f"There is no model {asked.path('model')}.")
        shown = found[0]
        listed = next((each for each in list_versions(connection) if each.id == shown.id), None)
        history = service_history(connection, shown.id)
        certificates = standing_certificates(connection, [shown.id])
        kept = connection.execute(_KEPT, {"model_id": shown.id}).one()
    values = {
        "model": shown,
        "listed": listed,
        "history": history,
        "promise": promise_in_words(kept.promise) if kept.promise or not certificates else [],
        "certificates": certificates,
        "thresholds": kept.thresholds,
        "drift": drift_of_model(asked.desk.engine, shown.id),
    }
    return render(asked, "model", values)


def promise_in_words(stored: dict[str, Any] | None) -> list[str]:
    if stored is None:
        return ["This model has no promise. To get a guarantee, run an audit."]
    try:
        return _PROMISE.validate_python(stored).in_words()
    except ValidationError:
        return ["The desk cannot read the promise in the store. Promote the model again."]


def activate(asked: DeskRequest) -> Response:
    """Check a model's files, then put it in service for all records or for one data provider."""
    name, provider = asked.path("model"), asked.field("provider") or None
    if provider is None:
        _ask_once(asked, name)
    found = service.activate(
        asked.desk.engine,
        asked.desk.settings.model_dir,
        name,
        data_provider=provider,
        began_by=asked.user.number,
    )
    told = f"{found.model.title} is now in service for {provider or 'all records'}."
    if found.taken_out:
        others = ", ".join(found.taken_out)
        told += f" It also serves {others}, because their own models use another encoder."
    return go_to(f"/models/{name}", told=told)


def _ask_once(asked: DeskRequest, name: str) -> None:
    """Ask before this model replaces the one that serves all records."""
    with asked.desk.engine.connect() as connection:
        found = models_of(connection, ViewFilters.of({"model": name}))
        present = serving(connection, None)
    if not found:
        raise NotThereError(f"There is no model {name}.")
    title = found[0].title
    instead = f" instead of {present.title}" if present else ""
    asked.confirm(
        f"New jobs will use {title}{instead} unless they name a model. Data providers with "
        "their own model keep this model. Running jobs keep their model.",
        yes=f"Put {title} in service for all records",
        back=f"/models/{name}",
    )


def back(asked: DeskRequest) -> Response:
    provider, to_go = asked.field("provider") or None, asked.field("serving")
    if not (to_go.isdecimal() and len(to_go) < 10):
        raise UsageError("The form does not name the model to replace. Load the page again.")
    done = service.go_back(
        asked.desk.engine,
        asked.desk.settings.model_dir,
        data_provider=provider,
        began_by=asked.user.number,
        instead_of=int(to_go),
    )
    serves = done.now or "the model for all records"
    whose = f"the records of {provider}" if provider else "all records"
    return go_to("/models", told=f"{serves[0].upper()}{serves[1:]} serves {whose} again.")


ROUTES = [
    page("/models", models),
    page("/models/{model}", model),
    action("/models/back", back, Role.OPERATOR, logged=("provider", "serving")),
    action("/models/{model}/activate", activate, Role.OPERATOR, logged=("provider",)),
]
