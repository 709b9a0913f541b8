"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

WHICH_CONCEPTS = "Which concepts"
Concepts = Annotated[
    list[str] | None,
    typer.Option(
        "--concept",
        help="Only this concept of the vocabulary: its URI, category or label. Repeat it for "
        "several. [default: all]",
        show_default=False,
        rich_help_panel=WHICH_CONCEPTS,
    ),
]
DatasetName = Annotated[str, typer.Option("--dataset", help="Name of the dataset.")]
RenameLabels = Annotated[
    bool,
    typer.Option(
        "--rename-labels",
        help="Give concepts that the store knows by other labels the labels of the vocabulary: "
        "in all datasets, models and exports.",
    ),
]
VocabJson = Annotated[
    Path,
    typer.Option(
        help="The vocabulary: labels and the concept URI of each, or SKOS in Turtle, RDF/XML or "
        "JSON-LD."
    ),
]
