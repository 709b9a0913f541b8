"""What is wrong with a value and where, in plain words: pydantic's own words are not for users."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_INNER = re.compile(  # what pydantic puts between the names: types of a choice, and a mark of keys
    r"\[key\]|[a-z]+(?:-[a-z]+)+|[a-z-]+\[.*\]|str|int|float|bool|none", re.DOTALL
)
_SHOWN = 100  # characters of a path; a text may come from anybody
_Context = Mapping[str, Any]
_WORDS: dict[str, Callable[[_Context], str]] = {
    "json_invalid": lambda context: f"it is not JSON ({context['error']})",
    "missing": lambda _: "it is missing",
    "int_parsing": lambda _: "it must be a whole number",
    "int_type": lambda _: "it must be a whole number",
    "int_from_float": lambda _: "it must be a whole number",
    "int_parsing_size": lambda _: "the number has too many digits",
    "float_parsing": lambda _: "it must be a number",
    "float_type": lambda _: "it must be a number",
    "finite_number": lambda _: "it must be a number, and not infinite",
    "bool_parsing": lambda _: "it must be true or false",
    "bool_type": lambda _: "it must be true or false",
    "none_required": lambda _: "it must be null or left out",
    "string_type": lambda _: "it must be text",
    "uuid_parsing": lambda _: "it must be an ID such as 0b7f4c0e-6d0c-4a7e-9d0e-2f1f0a1c9b52",
    "path_type": lambda _: "it must be the name of a file or folder",
    "ip_any_address": lambda _: "it must be an IP address, such as 127.0.0.1",
    "greater_than": lambda context: f"it must be more than {context['gt']:g}",
    "greater_than_equal": lambda context: f"it must be {context['ge']:g} or more",
    "less_than": lambda context: f"it must be less than {context['lt']:g}",
    "less_than_equal": lambda context: f"it must be {context['le']:g} or less",
    "literal_error": lambda context: f"it must be one of {_choices(context)}",
    "enum": lambda context: f"it must be one of {_choices(context)}",
    "value_error": lambda context: str(context["error"]),
    "extra_forbidden": lambda _: "no such field is known",
    "model_type": lambda _: "it must be an object",
    "dict_type": lambda _: "it must be an object",
    "list_type": lambda _: "it must be a list",
    "tuple_type": lambda _: "it must be a list",
    "string_pattern_mismatch": lambda _: "the text has another form than it must have",
    "string_too_long": lambda context: f"it has more than {context['max_length']:,} characters",
    "string_too_short": lambda context: f"it has less than {context['min_length']:,} characters",
    "too_long": lambda context: f"it has more than {context['max_length']:,} entries",
    "too_short": lambda context: f"it has less than {context['min_length']:,} entries",
}


def first_wrong(error: ValidationError) -> str:
    """The first value that is wrong, such as `members.0.file`, and what is wrong with it."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (field_path(problem["loc"]), in_words(problem))))


def field_path(place: tuple[int | str, ...]) -> str:
    """The names and positions that lead to a value; empty for the whole text."""
    names = [str(part) for part in place[:1]]
    names += [str(part) for part in place[1:] if not _INNER.fullmatch(str(part))]
    return ".".join(names)[:_SHOWN]


def in_words(error: ErrorDetails) -> str:
    """A clause that says what a value must be; it never shows the value.

    Args:
        error: one of `ValidationError.errors()`.
    """
    words = _WORDS.get(error["type"])
    return words(error.get("ctx", {})) if words else "it is malformed"


def _choices(context: _Context) -> str:
    return str(context["expected"]).replace("'", "").replace(" or ", ", ")
