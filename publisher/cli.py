"""The command `publisher`: its list of commands; `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    "Publishes confirmed or proven statements at Europeana, and withdraws them.",
    {
        "plan": "publisher.commands.planning:plan",
        "send": "publisher.commands.sending:send",
        "status": "publisher.commands.status:status",
        "withdraw": "publisher.commands.withdrawing:withdraw",
        "sync": "publisher.commands.syncing:sync",
        "run": "publisher.commands.running:run",
    },
)


def main() -> None:
    app()
