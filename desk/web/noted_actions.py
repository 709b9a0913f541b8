"""Checks where an action comes from, and logs it before it is done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from common.errors import UsageError
from desk.access.actions import log_action

if TYPE_CHECKING:
    from desk.web.asking import Asks
    from desk.web.request import DeskRequest

LONGEST_LOGGED = 50_000  # characters of a field's values: those of a thousand jobs have 36,000


def check_and_log(asked: "DeskRequest", route: "Asks") -> int | None:
    """Check the text and, for an action, its sender. Then log the action and return its number.

    The desk logs an action before it does it, so the log has every action.
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
    """Refuse the null character: Postgres cannot store it in a text."""
    request = asked.request
    texts = (
        *map(str, request.path_params.values()),
        *(text for pair in request.query_params.multi_items() for text in pair),
        *(text for pair in asked.form.multi_items() for text in pair if isinstance(text, str)),
    )
    if any("\0" in text for text in texts):
        raise UsageError(
            "The address or the form contains an invalid character, so the desk did not act."
        )


def _about(asked: "DeskRequest", names: Sequence[str]) -> dict[str, str | list[str]]:
    """The logged fields of the form in full, and the parts of the path."""
    about: dict[str, str | list[str]] = {}
    for name in names:
        values = [each for each in asked.fields(name) if each]
        if sum(map(len, values)) > LONGEST_LOGGED:
            raise UsageError(f"This is longer than {LONGEST_LOGGED:,} characters.", field=name)
        if values:
            about[name] = values[0] if len(values) == 1 else values
    return about | {name: str(value) for name, value in asked.request.path_params.items()}
