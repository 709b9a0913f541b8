"""All commands of a program, for the pages and tests that are made from them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import typer
from typer.main import get_command


class NamedCommand(NamedTuple):
    name: str
    command: Any

    @property
    def json_kind(self) -> Any:
        return getattr(self.command.callback, "json_kind", None)


def all_commands(program: str, app: typer.Typer) -> Iterator[NamedCommand]:
    yield from _walk(program, get_command(app))


def _walk(name: str, command: Any) -> Iterator[NamedCommand]:
    yield NamedCommand(name, command)
    for below in getattr(command, "commands", ()):
        yield from _walk(f"{name} {below}", command.get_command(None, below))
