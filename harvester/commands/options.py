"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DatasetName = Annotated[str, typer.Option("--dataset", help="Name of the dataset.")]
VocabJson = Annotated[Path, typer.Option(help="Labels and the concept URI of each.")]
