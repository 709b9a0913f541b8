"""The command `desk`: its list of commands; `commands` has their arguments."""

from common.process.command import command_group
from desk.commands.serve import serve
from desk.commands.users import users

app = command_group("Web pages on which curators see what models say, teach them, and prove it.")
app.command()(serve)
app.add_typer(users, name="users")


def main() -> None:
    """Run the command line."""
    app()
