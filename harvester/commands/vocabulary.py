"""`harvester vocabulary`: arguments only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from common.errors import EnrichmentError
from common.europeana.entities import EntityApi
from common.process.settings import ApiSettings
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from harvester.commands import vocabularies
from harvester.commands.options import VocabJson
from harvester.vocabulary_check import VocabularyFinding, check_vocabulary

vocabulary = command_group("Keep vocabularies in the store, and check files with them.")
vocabulary.command("import")(vocabularies.import_)
vocabulary.command("list")(vocabularies.list_)
vocabulary.command()(vocabularies.show)
vocabulary.command()(vocabularies.diff)
vocabulary.command()(vocabularies.export)


@vocabulary.command()
@prints(list[VocabularyFinding])
def check(
    vocab_json: VocabJson = Path("vocabulary.json"),
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="Also ask Europeana's Entity API about merged and vanished concepts."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a vocabulary file, and give advice on each label with a problem.

    The exit code is 1 if something must change. Concept URIs in the form used before 2022
    (`/base/`) are read as today's form: they are listed, but need no change. With --online a
    concept that was merged into another, or that vanished, must change. Concepts of other
    vocabularies (AAT) may stay, even if Europeana has no concept of its own for them.

    Example: harvester vocabulary check --vocab-json vocabulary.json --online
    """
    if online:
        with EntityApi(ApiSettings.read()) as api:
            findings = check_vocabulary(vocab_json, api)
    else:
        findings = check_vocabulary(vocab_json)
    if as_json:
        print_json(findings, list[VocabularyFinding])
    else:
        _show(vocab_json, findings)
    if changes := sum(finding.must_change for finding in findings):
        raise EnrichmentError(f"{vocab_json}: {changes} of {len(findings)} findings must be fixed.")


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
