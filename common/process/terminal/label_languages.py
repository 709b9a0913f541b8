"""The option `--lang` of commands that write labels."""

from typing import Annotated

import typer

Languages = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="LANGUAGES",
        help="Languages of labels, the best first: de,fr. Where a label has none of them it is in "
        "English, else in any. Default: English.",
    ),
]
