"""`worker refused`: arguments only."""

from collections.abc import Sequence

from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from common.store.refused_messages import Refusal, list_refused
from common.store.session import open_store
from worker.commands.options import console


@prints(list[Refusal])
def refused(as_json: AsJson = False) -> None:
    """List the messages that workers refused, the latest first: not of our form, or unknown tasks.

    A message that came again and again is one row. At most 1,000 are kept. Bodies are not, since
    they may hold passwords: only their size and, with --json, their sha256, who sent them and when.

    Example: worker refused --json
    """
    refusals = list_refused(open_store())
    if as_json:
        print_json(refusals, list[Refusal])
    elif refusals:
        _show(refusals)
    else:
        console.print("No message was refused.")


def _show(refusals: Sequence[Refusal]) -> None:
    listing = Listing(
        *("last", "queue", "task", "bytes", "times", "problem"),
        numbers=("bytes", "times"),
        texts=("problem",),
    )
    for refusal in refusals:
        last, task = f"{refusal.last_at:%Y-%m-%d %H:%M:%S%z}", refusal.headers.get("task", "")
        counts = (f"{refusal.size:,}", f"{refusal.times:,}")
        listing.add(last, refusal.queue, task, *counts, refusal.problem)
    listing.print()
