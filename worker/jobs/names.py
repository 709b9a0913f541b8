"""Names and keys that users give: checked before Postgres sees them, as it cannot store all."""

import re

from common.errors import UsageError

MAX_NAME = 200  # characters of a key or of the name of who submits
MAX_CONDITION = 2_000  # characters of what is searched for: URIs of concepts are longer
_SHOWN = 40
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def check_name(name: str | None, what: str, *, longest: int = MAX_NAME) -> None:
    """Refuse what is empty, too long, or holds control characters or bytes that are no text.

    Raises:
        UsageError: names `what` it is.
    """
    if name is None:
        return
    if not name:
        raise UsageError(f"The {what} is empty; give one, or leave it out.")
    if len(name) > longest:
        raise UsageError(
            f"The {what} {name[:_SHOWN]!r}... has {len(name):,} characters; "
            f"{longest:,} are allowed."
        )
    if unfit := _UNFIT.search(name):
        raise UsageError(
            f"The {what} {name[:_SHOWN]!r} holds the character {unfit[0]!r}, "
            "which no name may hold."
        )
