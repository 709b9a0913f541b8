"""The page that shows the log of actions."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from common.errors import UsageError
from common.store.tables import Role
from desk.access.actions import PAGE, list_actions
from desk.web.asking import DeskRequest, page
from desk.web.rendering import render

# The log has the route of each action. The page shows these words instead.
WORDS = {
    "/audits/{audit}/abandon": "abandon an audit",
    "/audits/{audit}/close": "close an audit",
    "/decisions": "block a concept, or record that a data provider refuses or consents",
    "/decisions/{decision}/undo": "undo a decision",
    "/jobs/new": "enqueue a job, or preview it",
    "/jobs/steer": "change jobs",
    "/jobs/{job}/retry": "try failed records again",
    "/models/back": "go back to the previous model",
    "/models/{model}/activate": "put a model in service",
    "/prove": "draw an audit",
    "/publish": "make a plan of what to publish",
    "/publish/withdraw": "withdraw published statements",
    "/publish/{plan}/send": "send a plan to Europeana",
    "/records/{dataset}/{local}/explain": "ask for a heatmap",
    "/teach/refit": "retrain a model",
}
# Names of form fields in words. A ticked box has no value to show.
TICKED = {
    "again": "also statements that Europeana refused or already has",
    "all": "all of them",
    "confirmed_too": "also statements that reviewers confirmed",
    "explain": "with heatmaps",
    "look": "preview only",
    "skip": "leave out lines without a record ID",
    "unseen": "only records that the model has not seen",
    "urgent": "urgent",
}
NAMES = {"serving": "number of the model that was in service", "unjudged": "not judged"}


def about_in_words(about: Mapping[str, Any]) -> str:
    return ", ".join(
        TICKED[name] if name in TICKED else f"{NAMES.get(name, name)}: {_in_a_line(value)}"
        for name, value in about.items()
    )


def _in_a_line(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def actions(asked: DeskRequest) -> Response:
    before = asked.query("before")
    if before and not (before.isdecimal() and len(before) < 18):
        raise UsageError("This address is not valid. Begin with the first page.")
    found = list_actions(asked.desk.engine, before=int(before) if before else None)
    more = found[-1].number if len(found) == PAGE else None
    return render(
        asked, "actions", {"actions": found, "more": more, "words": WORDS, "about": about_in_words}
    )


ROUTES = [page("/actions", actions, Role.OPERATOR)]
