"""The page Teach: what to judge next, and retraining a model with the verdicts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.responses import Response

from common.errors import UsageError
from common.store.model_names import ModelName
from common.store.tables import Role
from common.store.teaching.refits import RefitStatus, ask_refit, newest_refits, refit_status
from common.store.teaching.verdicts import judged_providers
from common.vision.answers.data_providers import check_provider, provider_choices
from desk.review.choices import labels_of
from desk.review.filters import ViewFilters
from desk.review.next_to_judge import next_to_judge
from desk.review.shown_models import ShownModel, model_for, models_of
from desk.review.thoughts import thoughts_of_records
from desk.steering.standing import ENOUGH, concepts_of, curve_of
from desk.web.asking import DeskRequest, NotThereError, action, go_to, page
from desk.web.cards import AT_A_TIME, address_of_cards, asked_cards, named_cards, of_cards
from desk.web.rendering import render
from worker import jobs

BEGINS_WITHIN = timedelta(seconds=30)  # after the refit, its renewal


def teach(asked: DeskRequest) -> Response:
    """The choice of a data provider, or the progress of teaching for one."""
    provider = "" if asked.mistake else asked.query("provider")
    with asked.desk.engine.connect() as connection:
        values: dict[str, Any] = {
            "provider": provider,
            "providers": provider_choices(connection),
            "judged": judged_providers(connection),
            "enough": ENOUGH,
        }
        if provider:
            check_provider(connection, provider)
            model = _model(connection, asked, provider)
            refits = newest_refits(connection, provider)
            values |= {"model": model, "refits": refits}
            values["curve"] = curve_of(refits[0]) if refits else []
    return render(asked, "teach" if provider else "teach_whom", values)


def judging(asked: DeskRequest) -> Response:
    """The ten records that the address names, else ten that no reviewer has judged."""
    provider = asked.query("provider")
    keys, address = named_cards(asked), ""
    with asked.desk.engine.connect() as connection:
        model = _model(connection, asked, provider)
        if model.encoder_id is None:
            raise UsageError(
                f"{model.title} is a whole network, so it cannot learn from verdicts. Choose "
                "a model that has heads and an encoder."
            )
        next_ones = f"/teach/judge?{urlencode({'provider': provider, 'model': model.reference})}"
        if not keys:
            chosen = next_to_judge(
                connection, model.encoder_id, data_provider=provider, count=AT_A_TIME
            )
            thoughts = thoughts_of_records(connection, asked.desk.heads, model, chosen)
            keys = [(record_id, thought.concept) for record_id, thought in thoughts.items()]
            if keys:
                address = address_of_cards(next_ones, keys)
        cards = asked_cards(connection, asked.desk, keys, [model])
        values = of_cards(connection, asked, cards, models=[model], address=address)
    values |= {"provider": provider, "model": model, "next": next_ones}
    return render(asked, "teach_judging", values)


def refit(asked: DeskRequest) -> Response:
    named = ("model", "provider")
    provider = ViewFilters.of({name: asked.field(name) for name in named}).provider
    with asked.desk.engine.begin() as connection:
        model = _model(connection, asked, provider, name=asked.field("model"))
        number = ask_refit(
            connection, model_id=model.id, data_provider=provider, asked_by=asked.user.number
        )
    return go_to(f"/refits/{number}")


def refit_page(asked: DeskRequest) -> Response:
    return render(asked, "refit", _of_refit(asked))


def live(asked: DeskRequest) -> Response:
    return render(asked, "refit_progress", _of_refit(asked))


def _of_refit(asked: DeskRequest) -> dict[str, Any]:
    text = asked.path("refit")
    if not (text.isdecimal() and len(text) < 10):
        raise NotThereError("There is no such retraining.")
    with asked.desk.engine.connect() as connection:
        found = refit_status(connection, int(text))
        if found is None:
            raise NotThereError("There is no such retraining.")
        labels = labels_of(connection, concepts_of(found), model_id=found.model_id)
    renewal = jobs.status(asked.desk.engine, found.renewal_id) if found.renewal_id else None
    return {
        "refit": found,
        "labels": labels,
        "curve": curve_of(found),
        "renewal": renewal,
        "is_over": _is_over(found, renewal),
    }


def _is_over(refit: RefitStatus, renewal: jobs.Status | None) -> bool:
    """Whether the refit has ended and its renewal, if one is due, has begun and ended too."""
    if refit.ended_at is None:
        return False
    if renewal is not None:
        return renewal.finished_at is not None
    is_due = refit.problem is None and (refit.result or {}).get("in_service", True)
    return not is_due or datetime.now(UTC) - refit.ended_at > BEGINS_WITHIN


def _model(
    connection: Connection, asked: DeskRequest, provider: str, *, name: str = ""
) -> ShownModel:
    wanted = name or asked.query("model")
    if wanted:
        found = models_of(connection, ViewFilters(model=ModelName.parse(wanted)))
        if found:
            return found[0]
        raise NotThereError(f"There is no model {wanted}.")
    model = model_for(connection, provider)
    if model is None:
        raise UsageError("No model is in the store yet, so you cannot teach one.")
    return model


ROUTES = [
    page("/teach", teach, form=teach),
    page("/teach/judge", judging, Role.REVIEWER),
    action("/teach/refit", refit, Role.REVIEWER, logged=("provider", "model")),
    page("/refits/{refit}", refit_page),
    page("/refits/{refit}/live", live),
]
