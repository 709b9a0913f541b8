"""The command `harvester`: its list of commands; `commands` has their arguments."""

from common.process.terminal.command import program

app = program(
    "Collects records, labels and images from Europeana as datasets for training.",
    {
        "records": "harvester.commands.records:records",
        "images": "harvester.commands.images:images",
        "placeholders": "harvester.commands.placeholders:placeholders",
        "export": "harvester.commands.tables:export",
        "import": "harvester.commands.tables:import_table",
        "datasets": "harvester.commands.datasets:datasets",
        "vocabulary": "harvester.commands.vocabulary:vocabulary",
    },
)


def main() -> None:
    app()
