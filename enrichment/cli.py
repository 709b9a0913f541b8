"""The command `enrichment`: its list of commands; `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    "Prepares the database for all programs, and checks an installation.",
    {
        "prepare": "enrichment.commands.prepare:prepare",
        "doctor": "enrichment.commands.doctor:doctor",
    },
)


def main() -> None:
    app()
