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
        help="Languages of labels, the best first: de,fr. If a label has none of them, it is in "
        "English; if it has no English form, in any language. Default: English.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]


def check_output_file(file: str, *, force: bool) -> None:
    """Refuse to overwrite a file, unless that is asked for, and what is no regular file.

    Raises:
        UsageError: names the file, or the folder that there is not.
    """
    check_folder_of(file)
    path = Path(file)
    if file == STANDARD_OUTPUT or not path.exists():
        return
    if not path.is_file():
        raise UsageError(
            f"{file} is no regular file. Write to standard output with -, or name one."
        )
    if not force:
        raise UsageError(f"{file} exists. Choose another name, or overwrite it with --force.")
