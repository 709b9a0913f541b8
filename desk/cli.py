"""The command `desk`: its list of commands; `commands` has their arguments."""

from common.process.command import command_group
from desk.commands.users import users

app = command_group("Shows curators what the models say: accounts of the web pages, and the pages.")
app.add_typer(users, name="users")


def main() -> None:
    """Run the command line."""
    app()
