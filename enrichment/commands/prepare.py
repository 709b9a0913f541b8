"""`enrichment prepare`: arguments only."""

from common.process.terminal.console import SafeConsole


def prepare() -> None:
    """Prepare the database at DATABASE_URL, or bring it to this release.

    It makes the tables in an empty database, and changes those of an older release. Run it again
    after each upgrade, before the services start. It is safe to run it twice, or twice at once.

    Example: enrichment prepare
    """
    from enrichment.migrating import prepare_store  # slow to load

    done = prepare_store()
    console = SafeConsole(stderr=True, highlight=False)
    if done.before is None:
        said = f"The database at {done.store} is prepared (migration {done.after})."
    elif done.before == done.after:
        said = f"The database at {done.store} needs nothing: it is at migration {done.after}."
    else:
        said = f"The database at {done.store} went from migration {done.before} to {done.after}."
    console.print(said, soft_wrap=True)
    console.print("Next: enrichment doctor")
