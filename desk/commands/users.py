"""`desk users`: accounts of the desk."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated

import typer

from common.errors import UsageError
from common.process.terminal.command import command_group
from common.process.terminal.confirming import Yes, confirm
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.store.session import open_store
from common.store.tables import Role
from desk.access import accounts
from desk.access.accounts import DeskAccount
from desk.access.passwords import LONGEST, SHORTEST, check_password

console = SafeConsole(stderr=True, highlight=False)
users = command_group(
    "Manage the accounts of the desk. An account has the role viewer, reviewer or operator."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name that `desk users list` shows.")]
NewRole = Annotated[
    Role,
    typer.Option(
        "--role",
        help="What the account may do. Each role includes the rights of the roles before it.",
    ),
]
FromInput = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from one line of standard input."),
]


@dataclass(frozen=True, kw_only=True)
class ListedAccount:
    """An account without its password."""

    number: int
    name: str | None
    role: Role
    has_password: bool
    subject: str | None
    created_at: datetime
    ended_at: datetime | None


@users.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that pages show.")],
    role: NewRole,
    subject: Annotated[
        str | None,
        typer.Option(help="The value of the claim `sub` for this person at the identity provider."),
    ] = None,
    password_stdin: FromInput = False,
) -> None:
    """Add an account. The command asks for a password, unless --subject is given.

    Example: desk users add "Collections desk" --role reviewer
    """
    engine = open_store()
    kept = accounts.checked_name(name)
    with engine.connect() as connection:
        accounts.check_free(connection, kept)
    asks = subject is None or password_stdin
    password = _password(from_input=password_stdin) if asks else None
    account = accounts.add_account(engine, name, role=role, password=password, subject=subject)
    console.print(f"Added account {account.number}: {account.name}, {account.role}.")


@users.command("list")
@prints(list[ListedAccount])
def list_all(as_json: AsJson = False) -> None:
    """List all accounts, also ended accounts and accounts whose name was erased."""
    rows = list(map(_listed, accounts.list_accounts(open_store())))
    if as_json:
        print_json(rows, list[ListedAccount])
    else:
        _show(rows)


@users.command()
def role(
    name: Name, new: Annotated[Role, typer.Argument(metavar="ROLE", help="The new role.")]
) -> None:
    """Give an account another role. Its open sessions end, so the person must log in again.

    Example: desk users role "Collections desk" operator
    """
    accounts.change_role(open_store(), name, new)
    console.print(f"Changed. The role is now {new}.")


@users.command()
def password(name: Name, password_stdin: FromInput = False) -> None:
    """Give an account another password. Its open sessions end, so the person must log in again.

    Example: desk users password "Collections desk"
    """
    engine = open_store()
    with engine.connect() as connection:
        accounts.named(connection, name)
    accounts.set_password(engine, name, _password(from_input=password_stdin))
    console.print("Changed. The old password no longer works.")


@users.command()
def end(name: Name) -> None:
    """End an account, so that it can no longer log in. Its name, verdicts and actions stay.

    Example: desk users end "Collections desk"
    """
    accounts.end_account(open_store(), name)
    console.print("The account has ended and is logged out everywhere.")


@users.command()
def forget(name: Name, yes: Yes = False) -> None:
    """End an account and erase its name, password and subject. Its number stays.

    Example: desk users forget "Collections desk" --yes
    """
    engine = open_store()
    with engine.connect() as connection:
        accounts.named(connection, name)
    if not yes:
        confirm(f"Erase the name {name!r} and end its account? You cannot undo this.")
    number = accounts.forget_account(engine, name)
    console.print(f"Erased. Only the number of the account is left: {number}.")


def _password(*, from_input: bool) -> str:
    if from_input:
        typed = _first_line(sys.stdin.buffer.readline(8 * LONGEST))
    elif sys.stdin.isatty():
        typed = typer.prompt(
            f"Password ({SHORTEST} characters or more)",
            hide_input=True,
            confirmation_prompt="The same password again",
            err=True,
        )
    else:
        raise UsageError("There is no terminal to ask for the password. Use --password-stdin.")
    check_password(typed)
    return typed


def _first_line(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:  # its text would quote the password
        raise UsageError("The password on standard input is not in UTF-8.") from None


def _listed(account: DeskAccount) -> ListedAccount:
    public = {name: value for name, value in asdict(account).items() if name != "password"}
    return ListedAccount(**public, has_password=account.password is not None)


def _show(rows: Sequence[ListedAccount]) -> None:
    listing = Listing(
        *("number", "name", "role", "logs in by", "since", "ended"),
        numbers=("number",),
        texts=("name", "logs in by"),
    )
    for row in rows:
        ways = (row.has_password and "password", row.subject and f"subject {row.subject}")
        listing.add(
            str(row.number),
            row.name or "(forgotten)",
            row.role,
            " and ".join(way for way in ways if way),
            f"{row.created_at:%Y-%m-%d}",
            f"{row.ended_at:%Y-%m-%d}" if row.ended_at else "",
        )
    listing.print()
