"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

SavingDir = Annotated[
    Path, typer.Option(envvar="EXPERIMENT_DIR", help="Folder of the experiments.")
]
