"""`harvester vocabulary`: arguments only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from common.errors import EnrichmentError
from common.europeana.api import EuropeanaApi
from common.europeana.entities import EntityApi
from common.process.settings import ApiSettings
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.process.terminal.progress import progress
from common.vocabulary.concepts import Vocabulary
from harvester.commands import vocabularies
from harvester.commands.options import Concepts, VocabJson
from harvester.records.searched import chosen_concepts
from harvester.vocabulary_check.findings import ConceptRecords, VocabularyCheck, VocabularyFinding
from harvester.vocabulary_check.form import check_form
from harvester.vocabulary_check.online import OnlineCheck

vocabulary = command_group("Save vocabularies in the store, and check vocabulary files.")
vocabulary.command("import")(vocabularies.import_)
vocabulary.command("list")(vocabularies.list_)
vocabulary.command()(vocabularies.show)
vocabulary.command()(vocabularies.diff)
vocabulary.command()(vocabularies.export)


@vocabulary.command()
@prints(VocabularyCheck)
def check(
    vocab_json: VocabJson = Path("vocabulary.json"),
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Also ask Europeana which concepts were merged or removed, and how many records "
            "each URI finds. This takes about five requests per concept.",
        ),
    ] = False,
    concept: Concepts = None,
    as_json: AsJson = False,
) -> None:
    """Check a vocabulary file, and give advice on each concept with a problem.

    If you must change the file, the exit code is 1. Before 2022, concept URIs had another form
    (`/base/`). The command lists these URIs, but you need not change them.

    With --online, you must also change a concept if it was merged into another concept or removed.
    The same is true if it finds no record, but an equivalent concept finds records. Equivalents are
    Europeana's own concept and up to five exact matches. Matches of Europeana, AAT and Wikidata
    come first.

    Example: harvester vocabulary check --vocab-json vocabulary.json --online
    """
    findings, read = check_form(vocab_json)
    records: list[ConceptRecords] = []
    if read is not None:
        chosen = chosen_concepts(read, concept or ())
        if online:
            records = _ask(read, chosen or tuple(read.by_uri), findings)
    if as_json:
        print_json(VocabularyCheck(findings=findings, records=records), VocabularyCheck)
    else:
        _show_records(records)
        _show(vocab_json, findings)
    if changes := sum(finding.must_change for finding in findings):
        later = " Then Europeana is asked." if online and read is None else ""
        raise EnrichmentError(
            f"{vocab_json}: {changes} of {len(findings)} findings must be corrected.{later}"
        )


def _ask(
    vocabulary: Vocabulary, uris: Sequence[str], findings: list[VocabularyFinding]
) -> list[ConceptRecords]:
    """The records of some concepts; what is found joins the findings."""
    settings, records = ApiSettings.read(), []
    with (
        EuropeanaApi(settings) as search,
        EntityApi(settings) as entities,
        progress("concepts", total=len(uris)) as shown,
    ):
        check = OnlineCheck(vocabulary, search, entities)
        for uri in uris:
            told, finding = check.ask(vocabulary.by_uri[uri])
            records.append(told)
            findings += [finding] if finding else []
            shown.advance(note=told.label)
    return records


def _show_records(records: Sequence[ConceptRecords]) -> None:
    if not records:
        return
    words = ("label", "by URI")
    listing = Listing("label", "records", "by URI", numbers=("records",), texts=words)
    for each in records:
        own = (one for one in each.by_uri if not one.equivalent)
        by_uri = ", ".join(f"{one.uri} {one.records:,}" for one in own)
        listing.add(each.label, f"{each.records:,}", by_uri)
    listing.print()


def _show(path: Path, findings: Sequence[VocabularyFinding]) -> None:
    if not findings:
        SafeConsole().print(f"{path}: nothing to change.")
        return
    words = ("label", "concept", "finding", "what to do")
    listing = Listing("must change", *words, texts=words)
    for finding in findings:
        urgent = "yes" if finding.must_change else "no"
        listing.add(urgent, finding.label, finding.uri, finding.finding, finding.advice)
    listing.print()
