"""`publisher sync`: arguments and output."""

from dataclasses import dataclass

from common.process.terminal.counting import counted
from common.process.terminal.json_output import AsJson, print_json, prints
from publisher.commands.opening import console, publishing
from publisher.commands.withdrawing import withdraw_queued
from publisher.work.syncing import sync as read_changes


@dataclass(frozen=True, kw_only=True)
class SyncedStatements:
    """What others deleted and reported, and what was withdrawn because it had no grounds left."""

    deleted_by_others: int
    reported: int
    withdrawn: int


@prints(SyncedStatements)
def sync(as_json: AsJson = False) -> None:
    """Read which statements others deleted or reported at Europeana, and withdraw statements.

    The command withdraws the statements that may no longer be published, for example because a
    certificate was withdrawn. Run it every hour, or use `publisher run`.

    Example: publisher sync
    """
    with publishing() as opened:
        found = read_changes(opened.engine, opened.annotations)
        withdrawn = withdraw_queued(opened)
    done = SyncedStatements(
        deleted_by_others=found.deleted, reported=found.reported, withdrawn=withdrawn
    )
    if as_json:
        print_json(done, SyncedStatements)
        return
    console.print(
        f"{counted(done.deleted_by_others, 'statement was', 'statements were')} deleted by others, "
        f"{done.reported:,} reported, {done.withdrawn:,} withdrawn.",
        soft_wrap=True,
    )
