"""Run a command with its own Postgres and Valkey: `python -m deploy.local -- COMMAND`."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from common.errors import EnrichmentError, UsageError
from deploy.local import Broker, Postgres, service_folders
from deploy.local.bound import bound_command
from deploy.local.postgres import find_programs

SERVERS = {"DATABASE_URL": Postgres, "BROKER_URL": Broker}
KEYBOARD = {signal.SIGINT, signal.SIGQUIT}
PASSED_ON = KEYBOARD | {signal.SIGTERM, signal.SIGHUP}

app = typer.Typer(add_completion=False)


@app.command(no_args_is_help=True, context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="The command to run, with its arguments.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Keep the data in this folder from run to run. Default: delete them at the end.",
        ),
    ] = None,
) -> None:
    """Run COMMAND with its own Postgres and Valkey, which end with it.

    COMMAND finds them in DATABASE_URL and BROKER_URL, and pg_dump and psql of that Postgres in
    PATH. If one of the addresses is already set, it is used and its server is not started.

    The exit code is that of COMMAND.

    Example: python -m deploy.local --data .local -- worker run
    """
    for number in PASSED_ON:
        signal.signal(number, _give_up)
    try:
        if not shutil.which(command[0]):
            raise UsageError(f"There is no command {command[0]!r}.")
        with _environment(data) as environment:
            code = _run(command, environment)
    except EnrichmentError as error:
        typer.echo(f"error: {error}", err=True)
        code = error.exit_code
    raise typer.Exit(code)


@contextmanager
def _environment(data: Path | None) -> Iterator[dict[str, str]]:
    """Our environment variables, with a running server for each variable in SERVERS."""
    environment = dict(os.environ)
    with ExitStack() as stack:
        folders = stack.enter_context(service_folders(data))
        if not environment.get("DATABASE_URL"):  # another release's pg_dump may refuse this server
            path = environment.get("PATH", os.defpath)
            environment["PATH"] = f"{find_programs()}{os.pathsep}{path}"
        for variable, server in SERVERS.items():
            if not environment.get(variable):
                environment[variable] = stack.enter_context(server(folders)).url
            else:
                typer.echo(
                    f"{variable} is set, so this server is used and no server is started. To "
                    "start a server: "
                    f"env --unset={variable} ...",
                    err=True,
                )
        yield environment


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run `command` to its end, and pass signals on. Returns its exit code as a shell would."""
    bound = bound_command(command, death_signal=signal.SIGTERM)
    with subprocess.Popen(bound, env=environment) as process:

        def pass_on(number: int, _frame: FrameType | None) -> None:
            if number not in KEYBOARD or not _typed_at_a_terminal():
                process.send_signal(number)

        for number in PASSED_ON:
            signal.signal(number, pass_on)
        code = process.wait()
    return 128 - code if code < 0 else code


def _typed_at_a_terminal() -> bool:
    """Whether the terminal sent this signal also to the command."""
    try:
        with Path("/dev/tty").open("rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def _give_up(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    app(prog_name="python -m deploy.local")
