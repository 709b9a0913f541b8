"""`publisher send`: arguments and output."""

from dataclasses import dataclass
from typing import Annotated

import typer

from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.progress import progress
from common.publishing.plans import ask_for, read_plan
from common.publishing.withdrawals import queue_withdrawals
from publisher.commands.opening import Publishing, console, publishing
from publisher.ledger.publications import SendOutcome
from publisher.work.already_said import check_plan


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What this command did: the statements of the plan by how they ended.

    `to_withdraw` are published statements that have lost their grounds.
    """

    plan: int
    posted: int
    already_said: int
    refused: int
    to_withdraw: int


@prints(Sent)
def send(
    plan: Annotated[int, typer.Argument(metavar="PLAN", help="The number of the plan.")],
    as_json: AsJson = False,
) -> None:
    """Publish the statements of a plan at Europeana.

    You can stop the command with Ctrl-C. To continue, run the same command again. Several
    publishers may send the same plan.

    Example: publisher send 3
    """
    with publishing() as opened:
        sent = send_plan(opened, plan)
    if as_json:
        print_json(sent, Sent)
        return
    console.print(f"Plan {plan}: {sent.posted:,} published.", soft_wrap=True)
    if sent.already_said:
        console.print(
            f"  {sent.already_said:,} left out: another annotation already has the same statement"
        )
    if sent.refused:
        console.print(
            f"  {sent.refused:,} refused. See why: publisher status {plan}", soft_wrap=True
        )
    if sent.to_withdraw:
        console.print(
            f"{sent.to_withdraw:,} published statements are no longer confirmed, certified or "
            "allowed. To withdraw them: publisher sync",
            soft_wrap=True,
        )


def send_plan(opened: Publishing, number: int) -> Sent:
    """Send what is left of a plan.

    Raises:
        UsageError: there is no such plan, or a later plan took its statements.
        KeyRefusedError: Europeana refuses the token or the key.
        ApiError: it answers in an unknown form.
    """
    state = ask_for(opened.engine, number)
    if state.checked_at is None:
        with progress("asked Europeana", state.left) as report:
            check_plan(opened.engine, opened.search, opened.annotations, number, report)
        with opened.engine.connect() as connection:
            state = read_plan(connection, number)
    with progress("sent", state.left) as report:
        ended = opened.sender.send(number, report)
    with opened.engine.begin() as connection:
        after = read_plan(connection, number)
        queued = queue_withdrawals(connection)
    return Sent(
        plan=number,
        posted=ended.get(SendOutcome.POSTED, 0),
        already_said=ended.get(SendOutcome.ALREADY_SAID, 0),
        refused=after.states.get("refused", 0),
        to_withdraw=queued,
    )
