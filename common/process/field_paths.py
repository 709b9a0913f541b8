"""Where in a JSON text a value is wrong, in the names that stand there."""

import re

from pydantic import ValidationError

_INNER = re.compile(  # what pydantic puts between the names: types of a choice, and a mark of keys
    r"\[key\]|[a-z]+(?:-[a-z]+)+|[a-z-]+\[.*\]|str|int|float|bool|none", re.DOTALL
)
_SHOWN = 100  # characters of a path; a text may come from anybody


def first_wrong(error: ValidationError) -> str:
    """The first value that is wrong, such as `members.0.file`, and what is wrong with it."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (field_path(problem["loc"]), problem["msg"])))


def field_path(place: tuple[int | str, ...]) -> str:
    """The names and positions that lead to a value; empty for the whole text."""
    names = [str(part) for part in place[:1]]
    names += [str(part) for part in place[1:] if not _INNER.fullmatch(str(part))]
    return ".".join(names)[:_SHOWN]
