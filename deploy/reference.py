"""`make docs`: the reference pages that are made from the code, so that each truth stands once.

A test compares the files with what this module makes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from common.reasons import Reason, Retry

DOCS = Path(__file__).resolve().parents[1] / "docs"

_REASONS = """\
# Why records fail

This page is made from `common/reasons.py` by `make docs`.

A record that could not be enriched, or whose picture could not be had, has one of these reasons.
`worker status JOB` and `harvester images --report` count them.

**Tried again.**
`harvester images` tries again in the run after the delay has passed.
The first delay is given; each further one is four times as long, but at most a day.
It is never shorter than what the host asked for.
After the attempts the record has failed for good.
Workers try again after the delays of `WORKER_RETRY_DELAYS` instead; the same reasons are final.
A reason that uses up no attempt says nothing about the record: it was not asked for.

**About the host.**
A complaint or a failure halves the pace at which the host is asked.
Failures in a row stop it for a while ([fetching.md](fetching.md)).

| reason | stage | meaning | tried again | about the host | what to do |
|---|---|---|---|---|---|
"""


def reasons() -> str:
    """The page on reasons: a line each, in the order of a record's way."""
    return _REASONS + "".join(map(_reason_line, Reason))


def _reason_line(reason: Reason) -> str:
    cells = (
        f"`{reason.code}`",
        reason.stage,
        reason.meaning,
        _again(reason.retry),
        reason.signal,
        reason.advice,
    )
    return f"| {' | '.join(cells)} |\n"


def _again(retry: Retry | None) -> str:
    if retry is None:
        return "never"
    unless = "" if retry.counts else "; uses up none"
    return f"{retry.seconds / 60:g} min, {retry.attempts} attempts{unless}"


PAGES: Mapping[str, Callable[[], str]] = {"reasons.md": reasons}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
