"""The page Publish and the pages of plans: what goes to Europeana, why the rest does not, and how
far the sending is."""

from sqlalchemy import Connection, select
from starlette.responses import Response

from common.errors import UsageError, blaming
from common.process.terminal.counting import counted
from common.publishing.grounds import words_of
from common.publishing.lives import STATE_WORDS, refused_of, statements_by_state
from common.publishing.plans import (
    PRECISION,
    PlanState,
    ask_for,
    make_plan,
    newest_plans,
    read_plan,
    sample_of,
)
from common.publishing.withdrawals import groundless
from common.store.tables import Concept, Role
from common.vision.answers.data_providers import check_provider, provider_choices
from common.vision.answers.provider_names import provider_name
from desk.access.actions import shown_names
from desk.review.filters import number
from desk.web.asking import DeskRequest, NotThereError, action, go_to, page
from desk.web.cards import all_concepts
from desk.web.rendering import render

PLANS_SHOWN = 20
SAMPLE = 12  # pictures of a plan
REFUSED_SHOWN = 20


def publish(asked: DeskRequest) -> Response:
    with asked.desk.engine.connect() as connection:
        plans = newest_plans(connection, PLANS_SHOWN)
        values = {
            "plans": plans,
            "states": statements_by_state(connection),
            "groundless": groundless(connection),
            "all_concepts": all_concepts(connection),
            "providers": provider_choices(connection),
        }
    known = {"words": STATE_WORDS, "precision": 100 * PRECISION}
    return render(asked, "publish", values | known)


def make(asked: DeskRequest) -> Response:
    with blaming("precision"):
        given = number(asked.field("precision"), what="The precision", least=1, most=100)
    with asked.desk.engine.connect() as connection:
        provider, concept = chosen_provider(connection, asked), chosen_concept(connection, asked)
    plan_id = make_plan(
        asked.desk.engine,
        precision=PRECISION if given is None else given / 100,
        data_provider=provider,
        concept_uri=concept,
        again=bool(asked.field("again")),
        user_id=asked.user.number,
    )
    return go_to(f"/publish/{plan_id}")


def chosen_provider(connection: Connection, asked: DeskRequest) -> str | None:
    """The data provider of a form; None if the field is empty.

    Raises:
        UsageError: the store has no record of it.
    """
    given = asked.field("provider")
    if not given:
        return None
    name = provider_name(given)
    check_provider(connection, name)
    return name


def chosen_concept(connection: Connection, asked: DeskRequest) -> str | None:
    """The concept of a form; None if the field is empty.

    Raises:
        UsageError: the store has no such concept.
    """
    given = asked.field("concept")
    if not given:
        return None
    if connection.execute(select(Concept.uri).filter_by(uri=given)).first() is None:
        raise UsageError(f"There is no concept {given[:200]!r} in the store.", field="concept")
    return given


def plan(asked: DeskRequest) -> Response:
    return render(asked, "plan", _of_plan(asked))


def live(asked: DeskRequest) -> Response:
    """The part of a plan's page that changes. The page's script fetches it every few seconds."""
    return render(asked, "plan_progress", _of_plan(asked))


def _of_plan(asked: DeskRequest) -> dict[str, object]:
    with asked.desk.engine.connect() as connection:
        found = _find(connection, asked)
        values = {
            "sample": sample_of(connection, found.id, SAMPLE),
            "refused": refused_of(connection, found.id, REFUSED_SHOWN),
        }
    is_sent = found.asked_at is not None and not found.left
    made_by = shown_names(asked.desk.engine, {found.made_by} if found.made_by else set())
    return values | {
        "plan": found,
        "made_by": made_by.get(found.made_by or 0, "a command"),
        "reasons": words_of(found.counts),
        "words": STATE_WORDS,
        "is_sent": is_sent,
        "waits": not found.checked_at or (found.asked_at is not None and not is_sent),
    }


def _find(connection: Connection, asked: DeskRequest) -> PlanState:
    given = asked.path("plan")
    if not (given.isdecimal() and given.isascii() and len(given) < 10):
        raise NotThereError("There is no such plan. The page Publish lists the plans.")
    try:
        return read_plan(connection, int(given))
    except UsageError as error:
        raise NotThereError(str(error)) from error


def send(asked: DeskRequest) -> Response:
    with asked.desk.engine.connect() as connection:
        found = _find(connection, asked)
    address = f"/publish/{found.id}"
    if found.asked_at is None and found.left:
        statements = counted(found.left, "statement")
        asked.confirm(
            f"This publishes {statements} at Europeana, where everyone can see them. "
            "You can withdraw them later.",
            yes=f"Send {statements} to Europeana",
            back=address,
        )
    ask_for(asked.desk.engine, found.id, user_id=asked.user.number)
    return go_to(address, told="The process publisher run sends this plan now.")


ROUTES = [
    page("/publish", publish),
    action(
        "/publish",
        make,
        Role.OPERATOR,
        form=publish,
        logged=("provider", "concept", "precision", "again"),
    ),
    page("/publish/{plan}", plan),
    page("/publish/{plan}/live", live),
    action("/publish/{plan}/send", send, Role.OPERATOR),
]
