"""The command `harvester`: its list of commands; `commands` has their arguments."""

from common.process.command import command_group
from harvester.commands.datasets import datasets
from harvester.commands.images import images
from harvester.commands.placeholders import placeholders
from harvester.commands.records import records
from harvester.commands.tables import export, import_table
from harvester.commands.vocabulary import vocabulary

app = command_group(
    "Collects records, labels and images from Europeana as datasets for training.\n\n"
    "Reads DATABASE_URL, EUROPEANA_API_KEY, EUROPEANA_API_URL and IMAGE_DIR."
)
for command in (records, images, placeholders, export):
    app.command()(command)
app.command("import")(import_table)
app.add_typer(datasets, name="datasets")
app.add_typer(vocabulary, name="vocabulary")


def main() -> None:
    """Run the command line."""
    app()
