"""The page See: enrichments as a grid of pictures, and records without an enrichment."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text
from starlette.responses import Response

from common.errors import UsageError
from common.store.tables import Outcome
from common.vision.answers.blocked import Blocks
from common.vision.answers.data_providers import check_provider, provider_choices
from desk.review.choices import concept_choices, job_choices
from desk.review.filters import JudgedState, ViewFilters
from desk.review.shown_models import ShownModel, models_of
from desk.review.suggestions import Suggestion, SuggestionPage, suggestion_page
from desk.review.thoughts import thoughts_of_records
from desk.review.walks import count_enrichments
from desk.web.asking import DeskRequest, NotThereError, go_to, page
from desk.web.desk import Desk
from desk.web.rendering import render
from worker.exports.formats.parquet import is_available

SHOWN = 48  # pictures on a page
OUTCOMES = {
    Outcome.ENRICHED: "a concept was written",
    Outcome.BELOW_THRESHOLD: "the model was not sure enough",
    Outcome.UNLIKE: "too different from the training pictures",
    Outcome.BLOCKED: "the concept is blocked",
    Outcome.FAILED: "failed",
}
JUDGED = {
    JudgedState.ANY: "judged or not",
    JudgedState.NO: "not judged",
    JudgedState.YES: "judged",
    JudgedState.DISPUTED: "disputed",
}


_OUTCOMES_OF_JOB = text(f"""
    SELECT {", ".join(f"CAST(sum({each}) AS bigint) AS {each}" for each in Outcome)}
    FROM job_outcomes WHERE job_id = :job
""")


def see(asked: DeskRequest) -> Response:
    filters = ViewFilters.of(asked.request.query_params)
    with asked.desk.engine.connect() as connection:
        if filters.provider:
            check_provider(connection, filters.provider)
        blocks = Blocks.read(connection)
        models = models_of(connection, filters)
        check_outcome(filters, models)
        found = shown(connection, asked.desk, filters, models, count=SHOWN)
        values = choices(connection, filters, models)
        count = None
        if filters.outcome is Outcome.ENRICHED:
            count = count_enrichments(connection, filters, [each.id for each in models])
        outcomes = connection.execute(_OUTCOMES_OF_JOB, {"job": filters.job}).mappings().one()
    blocked = {
        (each.record_id, each.concept)
        for each in found.found
        if each.concept and blocks.block(each.concept, each.data_provider or "")
    }
    values |= {"page": found, "filters": filters, "models": models, "blocked": blocked}
    values |= {
        "count": count,
        "of_job": outcomes if outcomes["enriched"] is not None else None,
        "has_parquet": is_available(),
    }
    return render(asked, "see", values)


def correct_filters(asked: DeskRequest) -> Response:
    """The form of the filters alone, for filters that the desk cannot read."""
    filters = ViewFilters()
    with asked.desk.engine.connect() as connection:
        models = models_of(connection, filters)
        values = choices(connection, filters, models)
    return render(asked, "filters", values | {"filters": filters, "models": models})


def home(asked: DeskRequest) -> Response:
    return go_to("/see", told=asked.told)


def choices(
    connection: Connection, filters: ViewFilters, models: list[ShownModel]
) -> dict[str, Any]:
    return {
        "jobs": job_choices(connection),
        "providers": provider_choices(connection),
        "concepts": concept_choices(models),
        "outcomes": OUTCOMES,
        "judged": JUDGED,
    }


def shown(
    connection: Connection,
    desk: Desk,
    filters: ViewFilters,
    models: list[ShownModel],
    *,
    count: int,
) -> SuggestionPage:
    """A page of suggestions. A record without an enrichment has the most probable concept."""
    found = suggestion_page(connection, filters, [each.id for each in models], count=count)
    if filters.outcome in (Outcome.ENRICHED, Outcome.FAILED) or not models:
        return found
    told = _with_thoughts(connection, desk, models[0], found.found)
    return replace(found, found=[each for each in told if _fits(each, filters)])


def check_outcome(filters: ViewFilters, models: list[ShownModel]) -> None:
    """Refuse outcomes that the store does not know without a job.

    Raises:
        UsageError: the model has no encoder, so only its jobs have outcomes.
    """
    is_thought = filters.outcome not in (Outcome.ENRICHED, Outcome.FAILED)
    if is_thought and filters.job is None and models and models[0].encoder_id is None:
        raise UsageError(
            f"{models[0].title} is a whole network. To see this outcome, choose a job.",
            field="job",
        )


def _with_thoughts(
    connection: Connection, desk: Desk, model: ShownModel, records: list[Suggestion]
) -> list[Suggestion]:
    """The suggestions with the model's most probable concept; `reason` is the outcome, if known."""
    record_ids = [each.record_id for each in records]
    thoughts = thoughts_of_records(connection, desk.heads, model, record_ids)
    together = []
    for each in records:
        thought = thoughts.get(each.record_id)
        if thought is None:
            together.append(each)
            continue
        outcome = Outcome.BLOCKED if thought.is_written else Outcome.BELOW_THRESHOLD
        told = replace(
            each,
            model_id=model.id,
            model=model.title,
            concept=thought.concept,
            label=model.concepts.get(thought.concept, thought.concept),
            confidence=thought.confidence,
            reason=Outcome.UNLIKE if thought.is_unlike else outcome,
        )
        together.append(told)
    return together


def _fits(suggestion: Suggestion, filters: ViewFilters) -> bool:
    """Whether a suggestion has the outcome of the filters. In a job, an unknown outcome fits."""
    if suggestion.reason is None:
        return filters.job is not None
    return suggestion.reason == filters.outcome


def nothing(asked: DeskRequest) -> Response:
    raise NotThereError(f"The desk has no page {asked.request.url.path[:100]}.")


ROUTES = [page("/", home), page("/see", see, form=correct_filters)]
