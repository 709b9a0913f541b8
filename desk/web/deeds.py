"""Deeds: from which page they come, and what the log says of them before they are done."""

from itertools import islice
from typing import TYPE_CHECKING

from common.errors import UsageError
from desk.access.actions import log_action

if TYPE_CHECKING:
    from desk.web.asking import DeskRequest

LOGGED_TEXT = 200  # characters of a field
LOGGED_NAME, LOGGED_FIELDS = 40, 30  # characters of its name, and how many fields
_NOT_LOGGED = {"csrf", "password", "ids", "file", "key", "back", "confirmed"}


def check_and_log(asked: "DeskRequest", what: str | None) -> int | None:
    """Check the text and, for a deed, where it comes from; then log it, and return its number.

    It is logged before it is done: nothing is done that the log does not know.

    Args:
        what: the route, if its use is logged.
    """
    _check_text(asked)
    if asked.request.method != "POST":
        return None
    asked.desk.door.check_deed(asked.request, asked.form, asked.user.csrf)
    if what is None:
        return None
    with asked.desk.engine.begin() as connection:
        return log_action(connection, asked.user.number, what, _about(asked))


def _check_text(asked: "DeskRequest") -> None:
    """Refuse the one sign that Postgres takes in no text."""
    request = asked.request
    texts = (
        *map(str, request.path_params.values()),
        *(text for pair in request.query_params.multi_items() for text in pair),
        *(text for pair in asked.form.multi_items() for text in pair if isinstance(text, str)),
    )
    if any("\0" in text for text in texts):
        raise UsageError("The address or the form has a sign that no text has. Nothing was done.")


def _about(asked: "DeskRequest") -> dict[str, str]:
    """What a deed was asked to do: the parts of its path, and its first fields."""
    fields = {
        name[:LOGGED_NAME]: ", ".join(asked.fields(name))[:LOGGED_TEXT]
        for name in islice(asked.form, LOGGED_FIELDS)
        if name not in _NOT_LOGGED
    }
    told = {name: str(value)[:LOGGED_TEXT] for name, value in asked.request.path_params.items()}
    return {name: text for name, text in (told | fields).items() if text}
