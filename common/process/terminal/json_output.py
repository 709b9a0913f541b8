"""The JSON that commands print with --json: each has one type, and its schema is documented.

`docs/reference/json.md` lists the commands; the schemas beside it are made from the types by
`make docs`. Names are those of the type's fields, durations are seconds, times are ISO 8601.
"""

from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, get_args

import typer
from pydantic import ConfigDict, TypeAdapter

_Command = TypeVar("_Command", bound=Callable[..., None])
_WHOLE = ConfigDict(ser_json_timedelta="float", json_schema_serialization_defaults_required=True)

AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print JSON; docs/reference/json.md says what is in it."),
]


def prints(kind: Any) -> Callable[[_Command], _Command]:
    """Note what a command prints with --json: a dataclass, one of several, or a list of them."""

    def note(command: _Command) -> _Command:
        command.json_kind = kind  # type: ignore[attr-defined]
        return command

    return note


def json_schema(kind: Any) -> dict[str, Any]:
    return adapter(kind).json_schema(mode="serialization")


def print_json(value: Any, kind: Any) -> None:
    typer.echo(adapter(kind).dump_json(value))


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Reads and writes values of this type in the form that commands print."""
    for each in get_args(kind) or (kind,):
        if is_dataclass(each):
            each.__pydantic_config__ = _WHOLE  # type: ignore[union-attr]
    return TypeAdapter(kind)
