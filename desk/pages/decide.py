"""The page Decide: blocked concepts, refusals and consents of data providers, and their undo."""

from starlette.responses import Response

from common.errors import UsageError
from common.publishing.withdrawals import groundless_words
from common.store.decisions import (
    LONGEST_REASON,
    DecisionMade,
    block,
    consent,
    list_decisions,
    refuse,
    undo,
)
from common.store.tables import Decided, Role
from common.vision.answers.data_providers import check_provider, provider_choices
from common.vision.answers.provider_names import provider_name
from desk.review.filters import ViewFilters, one_of
from desk.web.asking import DeskRequest, NotThereError, action, go_to, page
from desk.web.cards import all_concepts
from desk.web.rendering import render

_WORD_OF_PROVIDER = {Decided.REFUSED: refuse, Decided.CONSENTED: consent}


def decide(asked: DeskRequest) -> Response:
    filters = ViewFilters.of(asked.request.query_params)
    with asked.desk.engine.connect() as connection:
        made = list_decisions(connection, undone_too=True)
        values = {
            "standing": [each for each in made if each.undone_at is None],
            "undone": [each for each in made if each.undone_at is not None],
            "all_concepts": all_concepts(connection),
            "providers": provider_choices(connection),
        }
    known = {"filters": filters, "longest": LONGEST_REASON}
    return render(asked, "decide", values | known)


def make(asked: DeskRequest) -> Response:
    """Block a concept, or record that a data provider refuses or consents."""
    engine, who = asked.desk.engine, asked.user.number
    decided, provider = one_of(Decided, asked.field("decided"), "decided"), _provider(asked)
    concept = asked.field("concept") if decided is Decided.BLOCKED else None
    reason = asked.field("reason")
    if provider is not None:
        _ask_about_unknown(asked, provider)
    before = _held(asked, provider, concept)
    if decided is Decided.BLOCKED:
        block(engine, concept or "", data_provider=provider, reason=reason, user_id=who)
    else:
        if provider is None:
            raise UsageError("Give the name of the data provider.", field="provider")
        _WORD_OF_PROVIDER[decided](engine, provider, reason=reason, user_id=who)
    told = f"{_told(decided, before)} {_groundless(asked)}"
    return go_to("/decide", provider=provider or "", told=told.strip())


def _groundless(asked: DeskRequest) -> str:
    with asked.desk.engine.connect() as connection:
        return groundless_words(connection)


def _ask_about_unknown(asked: DeskRequest, provider: str) -> None:
    with asked.desk.engine.connect() as connection:
        try:
            check_provider(connection, provider)
        except UsageError as error:
            asked.confirm(
                f"{error} Do you want to use this name anyway?",
                yes="Save it under this name",
                back="/decide",
            )


def _held(asked: DeskRequest, provider: str | None, concept: str | None) -> DecisionMade | None:
    """The earlier decision about the same that still applies."""
    with asked.desk.engine.connect() as connection:
        made = list_decisions(connection)
    same = (each for each in made if (each.data_provider, each.concept_uri) == (provider, concept))
    return next(same, None)


def _told(decided: Decided, before: DecisionMade | None) -> str:
    if before is None:
        return "Saved. It applies now, until someone undoes it."
    if before.decided is decided:
        return f"No change was needed, because this decision applies already: {before}"
    return f"Saved. It applies now, until someone undoes it. It replaces this decision: {before}"


def _provider(asked: DeskRequest) -> str | None:
    """The data provider of a form; None if the field is empty.

    Raises:
        UsageError: the field is too long, or has no letter of a name: that must not mean all.
    """
    given = ViewFilters.of({"provider": asked.field("provider")}).provider  # of bounded length
    name = provider_name(given)
    if given and not name:
        raise UsageError("This is not the name of a data provider.", field="provider")
    return name or None


def take_back(asked: DeskRequest) -> Response:
    text = asked.path("decision")
    if not (text.isdecimal() and len(text) < 10):
        raise NotThereError("There is no such decision.")
    was_standing = undo(asked.desk.engine, int(text), user_id=asked.user.number)
    told = "Undone." if was_standing else "This decision was undone before."
    return go_to("/decide", told=f"{told} {_groundless(asked)}".strip())


ROUTES = [
    page("/decide", decide),
    action(
        "/decisions",
        make,
        Role.OPERATOR,
        form=decide,
        logged=("decided", "concept", "provider", "reason"),
    ),
    action("/decisions/{decision}/undo", take_back, Role.OPERATOR),
]
