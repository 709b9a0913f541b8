"""`desk users`: accounts of the desk."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table

from common.errors import UsageError
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.store.session import open_store
from common.store.tables import Role
from desk.access import accounts
from desk.access.accounts import DeskAccount
from desk.access.passwords import LONGEST, SHORTEST, check_password

console = SafeConsole(stderr=True, highlight=False)
users = command_group(
    "Who uses the desk: accounts, each with the role viewer, reviewer or operator."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="as `desk users list` shows it")]
NewRole = Annotated[
    Role, typer.Option("--role", help="what the account may do; each may do what is before it")
]
FromInput = Annotated[
    bool,
    typer.Option("--password-stdin", help="read the password from one line of standard input"),
]


@users.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="what pages call the person")],
    role: NewRole,
    subject: Annotated[
        str | None,
        typer.Option(help="who the person is to the identity provider: the claim `sub`"),
    ] = None,
    password_stdin: FromInput = False,
) -> None:
    """Add an account. The password is asked for, unless --subject says who logs in elsewhere."""
    engine = open_store()
    accounts.checked_name(name)
    asks = subject is None or password_stdin
    password = _password(from_input=password_stdin) if asks else None
    account = accounts.add_account(engine, name, role=role, password=password, subject=subject)
    console.print(f"Added account {account.number}: {account.name}, {account.role}.")


@users.command("list")
def list_all(
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON array")] = False,
) -> None:
    """List all accounts, ended and forgotten ones too; none of them shows a password."""
    rows = accounts.list_accounts(open_store())
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in rows]))
    else:
        _show(rows)


@users.command()
def role(
    name: Name, new: Annotated[Role, typer.Argument(metavar="ROLE", help="the new role")]
) -> None:
    """Give an account another role. Whoever is logged in with it logs in again."""
    accounts.change_role(open_store(), name, new)
    console.print(f"Changed: the role is {new} now.")


@users.command()
def password(name: Name, password_stdin: FromInput = False) -> None:
    """Give an account another password. Whoever is logged in with it logs in again."""
    engine = open_store()
    accounts.set_password(engine, name, _password(from_input=password_stdin))
    console.print("Changed: the old password is worth nothing now.")


@users.command()
def end(name: Name) -> None:
    """End an account: nobody logs in with it any more. Its name, verdicts and actions stay."""
    accounts.end_account(open_store(), name)
    console.print("Ended, and logged out everywhere.")


@users.command()
def forget(name: Name) -> None:
    """Erase name, password and subject of an account, and end it. Its number stays."""
    number = accounts.forget_account(open_store(), name)
    console.print(f"Forgotten: only account {number} is left.")


def _password(*, from_input: bool) -> str:
    if from_input:
        typed = _first_line(sys.stdin.buffer.readline(8 * LONGEST))
    elif sys.stdin.isatty():
        typed = typer.prompt(
            f"Password ({SHORTEST} characters or more)",
            hide_input=True,
            confirmation_prompt="The same again",
            err=True,
        )
    else:
        raise UsageError("There is no terminal to ask for the password. Use --password-stdin.")
    check_password(typed)
    return typed


def _first_line(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:  # which would quote the password
        raise UsageError("The password on standard input is not in UTF-8.") from None


def _show(rows: Sequence[DeskAccount]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("number", "name", "role", "logs in by", "since", "ended"):
        table.add_column(heading, no_wrap=heading != "name")
    for row in rows:
        ways = (row.password and "password", row.subject and f"subject {row.subject}")
        table.add_row(
            str(row.number),
            row.name or "(forgotten)",
            row.role,
            " and ".join(way for way in ways if way),
            f"{row.created_at:%Y-%m-%d}",
            f"{row.ended_at:%Y-%m-%d}" if row.ended_at else "",
        )
    SafeConsole(highlight=False).print(table)
