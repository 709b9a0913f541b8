"""The command `desk`: its list of commands; `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    "Web pages on which curators see what models say, teach them, and prove it.",
    {
        "serve": "desk.commands.serve:serve",
        "users": "desk.commands.users:users",
    },
)


def main() -> None:
    app()
