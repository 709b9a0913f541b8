"""`harvester vocabulary`: arguments only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from common.errors import EnrichmentError
from common.europeana.entities import EntityApi
from common.process.settings import ApiSettings
from common.process.terminal.command import command_group
from common.process.terminal.console import SafeConsole
from harvester.commands.options import VocabJson
from harvester.vocabulary_check import VocabularyFinding, check_vocabulary

vocabulary = command_group("Check the vocabulary file.")


@vocabulary.command()
def check(
    vocab_json: VocabJson = Path("vocabulary.json"),
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="Also ask Europeana's Entity API about merged and vanished concepts."
        ),
    ] = False,
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
    _report(vocab_json, findings)


def _report(path: Path, findings: Sequence[VocabularyFinding]) -> None:
    console = SafeConsole()
    if not findings:
        console.print(f"{path}: nothing to change.")
        return
    table = Table()
    for column in ("label", "concept", "finding", "what to do", "must change"):
        table.add_column(column, overflow="fold")  # URIs are there to be copied
    for finding in findings:
        urgent = "yes" if finding.must_change else "no"
        table.add_row(finding.label, finding.uri, finding.finding, finding.advice, urgent)
    console.print(table)
    if changes := sum(finding.must_change for finding in findings):
        raise EnrichmentError(f"{path}: {changes} of {len(findings)} findings must be fixed.")
