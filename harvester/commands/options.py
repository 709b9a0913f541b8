"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from common.errors import UsageError
from common.store.session import open_store
from harvester.datasets.vocabulary import ChosenVocabulary

WHICH_CONCEPTS = "Which concepts"
Concepts = Annotated[
    list[str] | None,
    typer.Option(
        "--concept",
        help="Only this concept of the vocabulary: its URI, category or label. Repeat the option "
        "for several concepts. [default: all]",
        show_default=False,
        rich_help_panel=WHICH_CONCEPTS,
    ),
]
DatasetName = Annotated[str, typer.Option("--dataset", help="Name of the dataset.")]
RenameLabels = Annotated[
    bool,
    typer.Option(
        "--rename-labels",
        help="If labels of the dataset and of the vocabulary differ, use the labels of the "
        "vocabulary. Other datasets and models keep their labels.",
    ),
]
VocabJson = Annotated[
    Path,
    typer.Option(
        metavar="FILE", help="Vocabulary file: SKOS, or JSON with the labels and URIs of concepts."
    ),
]
VocabularyName = Annotated[
    str | None,
    typer.Option(
        "--vocabulary",
        metavar="NAME",
        help="Use a vocabulary of the store instead of a file: NAME or NAME@VERSION.",
    ),
]


def chosen_vocabulary(path: Path, name: str | None) -> ChosenVocabulary:
    if name is None:
        return ChosenVocabulary.of_file(path)
    if path != Path("vocabulary.json"):
        raise UsageError("Give either --vocab-json FILE or --vocabulary NAME.")
    engine = open_store()
    try:
        return ChosenVocabulary.of_store(engine, name)
    finally:
        engine.dispose()
