"""`enrichment prepare`: arguments only."""

from common.process.terminal.console import SafeConsole


def prepare() -> None:
    """Prepare the database at DATABASE_URL, or upgrade it to this release.

    In an empty database, the command makes the tables. In a database of an older release, it
    changes the tables. Run it again after each upgrade, before you start the services. You can run
    it several times, also at the same time.

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
