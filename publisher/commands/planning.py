"""`publisher plan`: arguments and output."""

from typing import Annotated

import typer
from sqlalchemy import Engine, text

from common.errors import UsageError
from common.process.pages import record_page
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.progress import progress
from common.publishing.grounds import words_of
from common.publishing.plans import PRECISION, PlanState, make_plan, read_plan, sample_of
from common.vision.answers.data_providers import check_provider
from common.vision.answers.provider_names import provider_name
from publisher.commands.opening import console, publishing
from publisher.work.already_said import check_plan

SHOWN = 5  # statements of the sample

OnlyProvider = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only records of this data provider.")
]
OnlyConcept = Annotated[
    str | None, typer.Option(metavar="URI", help="Only statements with this concept.")
]


Precision = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        help="Minimum precision that a certificate must prove. Statements that reviewers "
        "confirmed need no certificate.",
    ),
]
Again = Annotated[
    bool,
    typer.Option(
        "--again",
        help="Also plan statements that Europeana refused or already had at the last request.",
    ),
]


@prints(PlanState)
def plan(
    provider: OnlyProvider = None,
    concept: OnlyConcept = None,
    precision: Precision = PRECISION,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of statements in the plan.")
    ] = None,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """Choose statements to publish, and ask Europeana which of them it already has.

    A statement is a concept of a record. It enters the plan if reviewers confirmed it or a
    certificate covers it. Its data provider must have consented, and no decision may block it. This
    command does not publish: to publish, run `publisher send`.

    Example: publisher plan --provider "City Museum" --precision 0.95
    """
    with publishing() as opened:
        check_concept(opened.engine, concept)
        number = make_plan(
            opened.engine,
            precision=precision,
            data_provider=known_provider(opened.engine, provider),
            concept_uri=concept,
            again=again,
            most=limit,
        )
        with opened.engine.connect() as connection:
            made = read_plan(connection, number)
        with progress("asked Europeana", made.left) as report:
            check_plan(opened.engine, opened.search, opened.annotations, number, report)
        with opened.engine.connect() as connection:
            made = read_plan(connection, number)
            shown = sample_of(connection, number, SHOWN)
    if as_json:
        print_json(made, PlanState)
        return
    print_plan(made)
    if shown:
        console.print("Examples:")
    for each in shown:
        title = f"  {each.label}: {each.title or each.record_id}, {record_page(each.record_id)}"
        console.print(title, soft_wrap=True)
    if made.left:
        console.print(f"Next: publisher send {number}", soft_wrap=True)


def check_concept(engine: Engine, concept: str | None) -> None:
    """Raises UsageError: the store has no such concept."""
    if concept is None:
        return
    with engine.connect() as connection:
        known = connection.execute(
            text("SELECT 1 FROM concept WHERE uri = :uri"), {"uri": concept}
        ).first()
    if known is None:
        raise UsageError(
            f"There is no concept {concept!r} in the store. Give the URI of a concept."
        )


def known_provider(engine: Engine, given: str | None) -> str | None:
    """The name as decisions and certificates have it.

    Raises:
        UsageError: the store has no record of this data provider.
    """
    if given is None:
        return None
    name = provider_name(given)
    with engine.connect() as connection:
        check_provider(connection, name)
    return name


def print_plan(made: PlanState) -> None:
    """How many statements go, how many do not and why, and on what the plan relies."""
    go = counted(made.left, "statement is", "statements are")
    console.print(f"Plan {made.id}: {go} ready to be published.", soft_wrap=True)
    if said := made.states.get("already_said"):
        console.print(
            f"  {said:,} left out: Europeana already has the same statement", soft_wrap=True
        )
    for words, number in words_of(made.counts):
        console.print(f"  {number:,} left out: {words}", soft_wrap=True)
    if made.audits:
        certificates = counted(len(made.audits), "certificate")
        console.print(
            f"The plan relies on {certificates} (of audit {', '.join(map(str, made.audits))}). "
            "Each certificate may be wrong in 5 of 100 cases.",
            soft_wrap=True,
        )
