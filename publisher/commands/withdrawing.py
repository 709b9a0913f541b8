"""`publisher withdraw`: arguments and output."""

from dataclasses import dataclass
from typing import Annotated

import typer
from sqlalchemy import Engine, select

from common.errors import UsageError
from common.process.terminal.confirming import Yes, confirm
from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.progress import progress
from common.publishing.withdrawals import WithdrawalScope, published_of
from common.publishing.withdrawals import withdraw as withdraw_scope
from common.store.model_names import ModelName, version_meant
from common.store.tables import Audit, PromotedModel
from publisher.commands.opening import Publishing, console, publishing
from publisher.commands.planning import OnlyConcept, check_concept, known_provider
from publisher.ledger.publications import left_to_withdraw
from worker.jobs import find_job


@dataclass(frozen=True, kw_only=True)
class WithdrawnStatements:
    """What was deleted at Europeana, and what stays because it has another ground."""

    withdrawn: int
    stay: int


ConfirmedToo = Annotated[
    bool,
    typer.Option(
        "--confirmed-too",
        help="With --model, --job or --audit: also delete statements that reviewers confirmed.",
    ),
]
WithdrawalReason = Annotated[
    str, typer.Option(metavar="TEXT", help="Why you delete the statements. The reason is saved.")
]


OfModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[@VERSION]",
        help="Statements that were published because of a certificate of this model.",
    ),
]
OfJob = Annotated[
    str | None,
    typer.Option(
        metavar="JOB", help="Statements of this job that were published because of a certificate."
    ),
]
OfAudit = Annotated[
    int | None,
    typer.Option(
        metavar="NUMBER",
        help="Statements that were published because of the certificate of this audit.",
    ),
]


@prints(WithdrawnStatements)
def withdraw(
    model: OfModel = None,
    concept: OnlyConcept = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="All statements of this data provider.")
    ] = None,
    job: OfJob = None,
    audit: OfAudit = None,
    confirmed_too: ConfirmedToo = False,
    reason: WithdrawalReason = "no reason given",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete the statements of a model, concept, data provider, job or audit at Europeana.

    The command deletes only statements that this store published. If there is another reason to
    publish a statement, for example a confirmation by a reviewer, the statement stays. If a
    reviewer confirms a deleted statement later, it may be published again.

    Example: publisher withdraw --model vases@2 --reason "trained on the wrong pictures"
    """
    with publishing() as opened:
        check_concept(opened.engine, concept)
        scope = WithdrawalScope(
            model_id=None if model is None else _model(opened.engine, model),
            job_id=None if job is None else find_job(opened.engine, job),
            audit_id=None if audit is None else _audit(opened.engine, audit),
            concept_uri=concept,
            data_provider=known_provider(opened.engine, provider),
        )
        if not yes:
            with opened.engine.connect() as connection:
                published = published_of(connection, scope)
            confirm(f"{counted(published, 'published statement')} may be withdrawn. Do it?")
        done = withdraw_scope(opened.engine, scope, reason=reason, confirmed_too=confirmed_too)
        withdrawn = withdraw_queued(opened)
    if as_json:
        print_json(WithdrawnStatements(withdrawn=withdrawn, stay=done.stay), WithdrawnStatements)
        return
    console.print(f"{counted(withdrawn, 'statement')} withdrawn.")
    if done.stay:
        stay = counted(done.stay, "statement stays", "statements stay")
        console.print(f"{stay}, because there is another ground for publishing.", soft_wrap=True)


def withdraw_queued(opened: Publishing) -> int:
    """Delete what is queued, with progress; returns how many statements were withdrawn."""
    with opened.engine.connect() as connection:
        queued = left_to_withdraw(connection).number
    if not queued:
        return 0
    with progress("withdrawn", queued) as report:
        return opened.withdrawer.withdraw(report)


def _model(engine: Engine, given: str) -> int:
    with engine.connect() as connection:
        wanted = version_meant(connection, ModelName.parse(given))
        found = connection.execute(select(PromotedModel.id).where(wanted.condition)).scalar()
    if found is None:
        raise UsageError(f"There is no model {given}. List models: trainer models list")
    return found


def _audit(engine: Engine, number: int) -> int:
    with engine.connect() as connection:
        found = connection.execute(select(Audit.id).where(Audit.id == number)).scalar()
    if found is None:
        raise UsageError(
            f"There is no audit {number}. The page Prove of the desk lists all audits."
        )
    return found
