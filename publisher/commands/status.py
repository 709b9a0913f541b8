"""`publisher status`: arguments and output."""

from dataclasses import dataclass
from typing import Annotated

import typer

from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.publishing.lives import RefusedStatement, refused_of, statements_by_state
from common.publishing.plans import PlanState, newest_plans, read_plan
from common.publishing.withdrawals import groundless
from common.store.session import open_store
from publisher.commands.opening import console
from publisher.commands.planning import print_plan

PLANS_SHOWN = 20
REFUSED_SHOWN = 20
STATES = ("planned", "sending", "posted", "already_said", "refused", "withdrawing", "withdrawn")


@dataclass(frozen=True, kw_only=True)
class PublisherStatus:
    """The plans, the newest first, and all statements by state.

    `to_withdraw` are published and have lost their grounds. `refused` are some that were refused,
    if the status of one plan was asked for.
    """

    plans: tuple[PlanState, ...]
    states: dict[str, int]
    to_withdraw: int
    refused: tuple[RefusedStatement, ...] = ()


@prints(PublisherStatus)
def status(
    plan: Annotated[
        int | None,
        typer.Argument(
            metavar="PLAN",
            help="Number of a plan. Shows only this plan, with its refused statements.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show plans, their progress, and the number of published statements.

    Example: publisher status 3
    """
    with open_store().connect() as connection:
        plans = (
            newest_plans(connection, PLANS_SHOWN) if plan is None else [read_plan(connection, plan)]
        )
        found = PublisherStatus(
            plans=tuple(plans),
            states=statements_by_state(connection),
            to_withdraw=groundless(connection),
            refused=() if plan is None else tuple(refused_of(connection, plan, REFUSED_SHOWN)),
        )
    if as_json:
        print_json(found, PublisherStatus)
        return
    if not plans:
        console.print("There is no plan yet. Next: publisher plan")
        return
    if plan is None:
        _list(plans)
    else:
        print_plan(plans[0])
        _print_states("Of this plan", plans[0].states)
        for each in found.refused:
            console.print(f"  {each.record_id} {each.label}: {each.reason}", soft_wrap=True)
    _print_states("In all", found.states)
    if found.to_withdraw:
        console.print(
            f"{found.to_withdraw:,} published statements are no longer confirmed, certified "
            "or allowed. To withdraw them: publisher sync",
            soft_wrap=True,
        )


def _list(plans: list[PlanState]) -> None:
    listing = Listing(
        *("plan", "made", "provider", "concept", *STATES),
        numbers=STATES,
        texts=("provider", "concept"),
    )
    for each in plans:
        numbers = [f"{each.states.get(state, 0):,}" for state in STATES]
        about = (each.data_provider or "all", each.label or "all")
        listing.add(str(each.id), f"{each.made_at:%Y-%m-%d %H:%M}", *about, *numbers)
    listing.print()


def _print_states(about: str, states: dict[str, int]) -> None:
    named = [f"{states[each]:,} {each.replace('_', ' ')}" for each in STATES if states.get(each)]
    console.print(f"{about}: {', '.join(named) or 'no statements'}.", soft_wrap=True)
