"""`enrichment doctor`: arguments only."""

from typing import TYPE_CHECKING

import typer

from common.process.terminal.json_output import AsJson, print_json, prints
from common.process.terminal.listing import Listing
from enrichment.checks.finding import Finding, Health

if TYPE_CHECKING:
    from enrichment.checks.finding import Findings

_STYLES = {Health.OK: "", Health.WARNING: "yellow", Health.PROBLEM: "bold red"}


@prints(list[Finding])
def doctor(as_json: AsJson = False) -> None:
    """Check this installation: settings, database, broker, Europeana's API, folders and models.

    For each part, it says what it found and what you can do. It also shows where each setting comes
    from. It shows no secret and makes no change. If a program cannot run, the exit code is 1.

    Example: enrichment doctor
    """
    found = list(_findings())
    if as_json:
        print_json(found, list[Finding])
    else:
        _show(found)
    if any(each.verdict is Health.PROBLEM for each in found):
        raise typer.Exit(1)


def _findings() -> "Findings":
    from enrichment.checks.folders import check_folders
    from enrichment.checks.model_files import check_models
    from enrichment.checks.services import (
        check_api,
        check_broker_answers,
        check_store,
        check_workers,
        reached_store,
    )
    from enrichment.checks.settings import check_settings, is_set

    settings = list(check_settings())
    yield from settings
    if settings[0].verdict is Health.PROBLEM:  # no file, no settings
        return
    if not is_set("DATABASE_URL"):
        engine = None
    else:
        engine, reached = reached_store()
        yield reached
    if engine is not None:
        yield from check_store(engine)
        yield from check_workers(engine)
    if is_set("BROKER_URL"):
        yield check_broker_answers()
    if is_set("EUROPEANA_API_KEY"):
        yield check_api()
    yield from check_folders()
    if engine is not None:
        yield from check_models(engine)
        engine.dispose()


def _show(found: list[Finding]) -> None:
    listing = Listing("", "subject", "what", "found", texts={"found"})
    for each in found:
        listing.add(each.verdict, each.subject, each.what, each.found, style=_STYLES[each.verdict])
    listing.print()
    for verdict in (Health.PROBLEM, Health.WARNING):
        for each in found:
            if each.verdict is verdict:
                typer.echo(f"{verdict}: {each.subject}, {each.what}: {each.advice}", err=True)
