"""Actions: from which page they come, and what the log says of them before they are done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import UsageError
from desk.access.actions import log_action

if TYPE_CHECKING:
    from desk.web.asking import Asks
    from desk.web.request import DeskRequest

LONGEST_LOGGED = 50_000  # characters of a field's values: those of a thousand jobs have 36,000


def check_and_log(asked: "DeskRequest", route: "Asks") -> int | None:
    """Check the text and, for an action, where it comes from; then log it, and return its number.

    It is logged before it is done: nothing is done that the log does not know.
    """
    _check_text(asked)
    if asked.request.method != "POST":
        return None
    asked.desk.door.check_action(asked.request, asked.form, asked.user.csrf)
    if not route.is_logged:
        return None
    about = _about(asked, route.logged)
    with asked.desk.engine.begin() as connection:
        return log_action(connection, asked.user.number, route.path, about)


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


def _about(asked: "DeskRequest", names: Sequence[str]) -> dict[str, str | list[str]]:
    """The fields of its form that are logged, whole, and the parts of its path."""
    about: dict[str, str | list[str]] = {}
    for name in names:
        values = [each for each in asked.fields(name) if each]
        if sum(map(len, values)) > LONGEST_LOGGED:
            raise UsageError(f"This is longer than {LONGEST_LOGGED:,} characters.", field=name)
        if values:
            about[name] = values[0] if len(values) == 1 else values
    return about | {name: str(value) for name, value in asked.request.path_params.items()}
