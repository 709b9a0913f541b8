"""What the commands of the trainer print: results on standard output, hints and warnings beside."""

from collections.abc import Sequence

from common.process.terminal.console import SafeConsole
from common.process.terminal.listing import Listing


def print_line(line: str, *, style: str = "") -> None:
    SafeConsole().print(line, style=style, highlight=False, soft_wrap=True)


def print_listing(title: str, listing: Listing) -> None:
    print_line("")
    print_line(title, style="bold")
    listing.print()
    print_line("")


def print_taken_out(providers: Sequence[str]) -> None:
    if providers:
        print_line(
            f"Served by the model for all again: {', '.join(providers)}. Their own models are on "
            "another encoder."
        )


def hint(line: str) -> None:
    """Say something that is no result, on standard error."""
    SafeConsole(stderr=True).print(line, highlight=False, soft_wrap=True)


def warn(line: str) -> None:
    SafeConsole(stderr=True).print(
        f"WARNING: {line}", style="bold yellow", highlight=False, soft_wrap=True
    )
