"""The command `desk`: its list of commands; `commands` has their arguments."""

from common.process.command import command_group
from desk.commands.serve import serve

app = command_group("Web pages on which curators see what models say, teach them, and prove it.")
app.command()(serve)


@app.callback()
def _desk() -> None:
    """Web pages on which curators see what models say, teach them, and prove it."""


def main() -> None:
    """Run the command line."""
    app()
