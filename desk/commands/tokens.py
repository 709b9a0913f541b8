"""`desk tokens`: tokens of the HTTP API."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.store.session import open_store
from common.store.tables import Role
from desk.access.tokens import PER_MINUTE, ListedToken, add_token, list_tokens, revoke_token

console = SafeConsole(stderr=True, highlight=False)
tokens = command_group(
    "Manage the tokens with which other programs call the HTTP API (docs/how-to/api.md)."
)


@tokens.command()
def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the token in lists and in the log.")
    ],
    role: Annotated[
        Role,
        typer.Option(
            help="What the account may do. Each role includes the rights of the roles before it."
        ),
    ] = Role.VIEWER,
    expires: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="Last day of the token, in UTC. Default: the token does not expire.",
        ),
    ] = None,
    per_minute: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Maximum number of requests per minute.")
    ] = PER_MINUTE,
) -> None:
    """Add a token and print it. The token is not shown again, because the store saves only its
    hash.

    Example: desk tokens add "Library search" --role operator --expires 2027-12-31
    """
    end = expires.replace(tzinfo=UTC) + timedelta(days=1) if expires else None
    token = add_token(open_store(), name, role=role, expires_at=end, per_minute=per_minute)
    console.print(
        f"Added the token {name!r}, {role}. Copy the token now, because it is not shown again."
    )
    typer.echo(token)


@tokens.command("list")
@prints(list[ListedToken])
def list_all(as_json: AsJson = False) -> None:
    """List all tokens, including expired and revoked tokens. Their secrets are not shown."""
    rows = list_tokens(open_store())
    if as_json:
        print_json(rows, list[ListedToken])
    else:
        _show(rows)


@tokens.command()
def revoke(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name that `desk tokens list` shows.")
    ],
) -> None:
    """Revoke a token, so that it no longer works. Its name, verdicts and actions stay.

    Example: desk tokens revoke "Library search"
    """
    revoke_token(open_store(), name)
    console.print("Revoked. The token no longer works.")


def _show(rows: Sequence[ListedToken]) -> None:
    headings = ("number", "name", "role", "a minute", "since", "expires", "last used", "revoked")
    listing = Listing(*headings, numbers=("number", "a minute"), texts=("name",))
    for row in rows:
        listing.add(
            str(row.number),
            row.name or "",
            row.role,
            f"{row.per_minute:,}",
            f"{row.created_at:%Y-%m-%d}",
            f"{row.expires_at:%Y-%m-%d %H:%M}" if row.expires_at else "",
            f"{row.used_at:%Y-%m-%d %H:%M}" if row.used_at else "",
            f"{row.ended_at:%Y-%m-%d}" if row.ended_at else "",
        )
    listing.print()
