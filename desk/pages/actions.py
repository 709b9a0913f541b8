"""The log of what was done at the desk."""

from starlette.responses import Response

from common.errors import UsageError
from common.store.tables import Role
from desk.access.actions import PAGE, list_actions
from desk.web.asking import DeskRequest, page
from desk.web.rendering import render


def actions(asked: DeskRequest) -> Response:
    """The newest actions first."""
    before = asked.query("before")
    if before and not (before.isdecimal() and len(before) < 18):
        raise UsageError("The place to go on from is malformed. Begin with the first page.")
    found = list_actions(asked.desk.engine, before=int(before) if before else None)
    more = found[-1].number if len(found) == PAGE else None
    return render(asked, "actions", {"actions": found, "more": more})


ROUTES = [page("/actions", actions, Role.OPERATOR)]
