"""Options that several programs have: the language of labels, and whether to overwrite a file."""

from pathlib import Path
from typing import Annotated

import typer

from common.errors import UsageError
from common.files import STANDARD_OUTPUT, check_folder_of

Languages = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="LANGUAGES",
        help="Languages of labels, your preferred language first: de,fr. If a concept has no "
        "label in these languages, you see its English label. If it has no English label, "
        "you see a label in any language. Default: English.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")]


def check_output_file(file: str, *, force: bool) -> None:
    """Refuse to overwrite a file, unless that is asked for, and what is not a regular file.

    Raises:
        UsageError: names the file, or the folder that there is not.
    """
    check_folder_of(file)
    path = Path(file)
    if file == STANDARD_OUTPUT or not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{file} is not a regular file. Give a file, or - for standard output.")
    if not force:
        raise UsageError(f"{file} exists. Choose another name, or overwrite it with --force.")
