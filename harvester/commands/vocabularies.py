"""`harvester vocabulary import|list|show|diff|export`: arguments only."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from common.files import output_stream
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.next_step import next_step
from common.process.terminal.shared_options import Force, Languages, check_output_file
from common.store.session import open_store
from common.store.vocabularies import (
    VocabularySummary,
    VocabularyVersion,
    find_vocabulary,
    keep_vocabulary,
    list_vocabularies,
    read_kept,
)
from common.vocabulary.concepts import Vocabulary, VocabularyConcept, main_label
from common.vocabulary.differences import VocabularyDifference, differences
from common.vocabulary.languages import checked_languages
from common.vocabulary.reading import name_of, read_vocabulary
from common.vocabulary.writing import form_of, written

_SHOWN = 20  # differences of an import

Reference = Annotated[
    str,
    typer.Argument(metavar="VOCABULARY", help="NAME for the newest version, or NAME@VERSION."),
]
Other = Annotated[
    str, typer.Argument(metavar="OTHER", help="Another version, or a file with a vocabulary.")
]
Scheme = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URI",
        help="Take only the concepts of this concept scheme. You can repeat this option.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URI",
        help="Leave out this concept and all narrower concepts. You can repeat this option.",
    ),
]


def import_(
    file: Annotated[
        Path, typer.Argument(help="SKOS in Turtle, RDF/XML or JSON-LD, or labels in JSON.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the vocabulary. Default: the name of the file.")
    ] = None,
    include_scheme: Scheme = None,
    exclude: Exclude = None,
) -> None:
    """Save a vocabulary in the store, as the next version of its name.

    Datasets and models do not change: they keep the version that they use. If the file is the same
    as the newest version, no new version is made.

    Examples: harvester vocabulary import museum.ttl ·
    harvester vocabulary import aat.rdf --name aat --exclude http://vocab.getty.edu/aat/300264092
    """
    new = read_vocabulary(file, schemes=include_scheme or (), exclude=exclude or ())
    with open_store().begin() as connection:
        known_as = name_of(file) if name is None else name
        version, is_new = keep_vocabulary(connection, known_as, new, source=file.name)
        before = _before(connection, version) if is_new else None
    console = SafeConsole(highlight=False)
    if not is_new:
        console.print(f"The file is the same as {version}, so no new version was made.")
        return
    said = ", ".join(language or "no language" for language in new.languages)
    console.print(f"Saved {version}: {len(new.concepts):,} concepts, labels in {said}.")
    if before:
        _print_differences(list(differences(before, new)), at_most=_SHOWN)
    next_step(f"harvester records --dataset NAME --vocabulary {version.name}")


@prints(list[VocabularySummary])
def list_(as_json: AsJson = False) -> None:
    """List the versions of vocabularies, and the datasets and models that use them."""
    with open_store().connect() as connection:
        found = list_vocabularies(connection)
    if as_json:
        print_json(found, list[VocabularySummary])
        return
    texts = ("languages", "from", "datasets", "models")
    listing = Listing("vocabulary", "concepts", *texts, "made", numbers=("concepts",), texts=texts)
    for each in found:
        used = (", ".join(each.datasets), ", ".join(each.models))
        made = f"{each.created_at.astimezone():%Y-%m-%d %H:%M}"
        title = f"{each.name}@{each.version}"
        languages = ", ".join(each.languages)
        listing.add(title, f"{each.concepts:,}", languages, each.source, *used, made)
    listing.print()


@prints(list[VocabularyConcept])
def show(vocabulary: Reference, lang: Languages = None, as_json: AsJson = False) -> None:
    """Show the concepts of a vocabulary.

    Example: harvester vocabulary show museum --lang el
    """
    with open_store().connect() as connection:
        found = read_kept(connection, find_vocabulary(connection, vocabulary).id)
    if as_json:
        print_json(list(found.concepts), list[VocabularyConcept])
        return
    languages = checked_languages(lang) if lang else []
    texts = ("label", "broader", "definition")
    listing = Listing("category", "label", "concept", "broader", "definition", texts=texts)
    for each in found.concepts:
        above = (main_label(found.by_uri[uri].labels, languages) for uri in each.broader)
        listing.add(
            each.category,
            main_label(each.labels, languages),
            each.uri,
            ", ".join(above),
            main_label(each.definitions, languages),
        )
    listing.print()


@prints(list[VocabularyDifference])
def diff(vocabulary: Reference, other: Other, as_json: AsJson = False) -> None:
    """Show the differences between a version of a vocabulary and another version or a file.

    Examples: harvester vocabulary diff museum@1 museum@2 ·
    harvester vocabulary diff museum museum.ttl
    """
    with open_store().connect() as connection:
        before = read_kept(connection, find_vocabulary(connection, vocabulary).id)
        after = _named_or_file(connection, other)
    found = list(differences(before, after))
    if as_json:
        print_json(found, list[VocabularyDifference])
        return
    _print_differences(found)


def export(
    vocabulary: Reference,
    target: Annotated[
        str,
        typer.Argument(
            help="File to write: .ttl, .rdf, .jsonld or .json. A .json file has only labels and "
            "URIs. - writes Turtle to standard output."
        ),
    ],
    force: Force = False,
) -> None:
    """Write a vocabulary to a file: concepts, labels, definitions and links. You can import the
    file again.

    Example: harvester vocabulary export museum@1 museum_1.ttl
    """
    form = form_of(target)
    check_output_file(target, force=force)
    with open_store().connect() as connection:
        found = read_kept(connection, find_vocabulary(connection, vocabulary).id)
    text = written(found, form)
    with output_stream(target) as stream:
        stream.write(text)
    if target != "-":
        SafeConsole().print(f"Wrote {target}: {len(found.concepts):,} concepts.")


def _named_or_file(connection: Connection, other: str) -> Vocabulary:
    path = Path(other)
    if path.suffix and path.exists():
        return read_vocabulary(path)
    return read_kept(connection, find_vocabulary(connection, other).id)


def _before(connection: Connection, version: VocabularyVersion) -> Vocabulary | None:
    if version.version == 1:
        return None
    former = find_vocabulary(connection, f"{version.name}@{version.version - 1}")
    return read_kept(connection, former.id)


def _print_differences(found: list[VocabularyDifference], *, at_most: int | None = None) -> None:
    if not found:
        SafeConsole().print("The vocabularies are equal.")
        return
    texts = ("label", "before", "after")
    listing = Listing("concept", "label", "what", "before", "after", texts=texts)
    for each in found[:at_most]:
        listing.add(each.concept, each.label, each.what, each.before, each.after)
    listing.print()
    if at_most and (more := len(found) - at_most) > 0:
        SafeConsole().print(f"and {more:,} more differences: harvester vocabulary diff")
