"""The command `desk` and its list of commands. The package `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    "Serve web pages on which curators see predictions, teach models and prove their accuracy.",
    {
        "serve": "desk.commands.serve:serve",
        "users": "desk.commands.users:users",
        "tokens": "desk.commands.tokens:tokens",
        "verdicts": "desk.commands.verdicts:verdicts",
    },
)


def main() -> None:
    app()
