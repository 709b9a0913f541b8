"""The data providers of the store, and how it spells them where that differs from `provider_name`.

Metadata may have a line end or two spaces in a name, so one museum may have several spellings.
Where SQL compares names, it asks for all of them.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from sqlalchemy import Connection, text

from common.errors import UsageError
from common.store.tables.harvested import PROVIDER_KEY, of_provider
from common.vision.answers.provider_names import provider_name

MOST_PROVIDERS = 300

# From name to name by the index: DISTINCT would read all records.
_NAMES = text(f"""
    WITH RECURSIVE named(key, data_provider) AS (
        (SELECT {PROVIDER_KEY}, data_provider FROM record WHERE {PROVIDER_KEY} IS NOT NULL
         ORDER BY {PROVIDER_KEY} LIMIT 1)
        UNION ALL
        SELECT following.* FROM named CROSS JOIN LATERAL (
            SELECT {PROVIDER_KEY}, data_provider FROM record WHERE {PROVIDER_KEY} > named.key
            ORDER BY {PROVIDER_KEY} LIMIT 1) AS following
    )
    SELECT data_provider FROM named
""")

# This goes from one provider to the next in the index. DISTINCT would read all records.
_PROVIDERS = text(f"""
    WITH RECURSIVE provider(name) AS (
        (SELECT {PROVIDER_KEY} FROM record WHERE {PROVIDER_KEY} > ''
         ORDER BY {PROVIDER_KEY} LIMIT 1)
        UNION ALL
        SELECT (SELECT {PROVIDER_KEY} FROM record WHERE {PROVIDER_KEY} > provider.name
                ORDER BY {PROVIDER_KEY} LIMIT 1)
        FROM provider WHERE provider.name IS NOT NULL
    )
    SELECT name FROM provider WHERE name IS NOT NULL LIMIT :most
""")
_HAS_RECORDS = text(f"SELECT 1 FROM record WHERE {of_provider(':name')} LIMIT 1")


def odd_spellings(connection: Connection) -> dict[str, str]:
    """The name of each provider that the store spells otherwise, by its spelling there."""
    spelt = connection.execute(_NAMES).scalars()
    return {each: name for each in spelt if (name := provider_name(each)) != each}


def spellings_of(connection: Connection, names: Iterable[str]) -> dict[str, list[str]]:
    spellings = {name: [name] for name in names}
    for spelt, name in odd_spellings(connection).items():
        if name in spellings:
            spellings[name].append(spelt)
    return spellings


def provider_choices(connection: Connection) -> list[str]:
    """Data providers of the store's records in alphabetical order, at most MOST_PROVIDERS."""
    return list(connection.execute(_PROVIDERS, {"most": MOST_PROVIDERS}).scalars())


def has_records(connection: Connection, data_provider: str) -> bool:
    """Whether the store has records of a data provider, in any spelling of its name."""
    if connection.execute(_HAS_RECORDS, {"name": data_provider}).first() is not None:
        return True
    return len(spellings_of(connection, [data_provider])[data_provider]) > 1  # one is the name


def check_provider(connection: Connection, name: str) -> None:
    """Refuse the name of a data provider that has no record in the store.

    Raises:
        UsageError: the message suggests similar names.
    """
    if has_records(connection, name):
        return
    wanted = name.casefold()
    known = provider_choices(connection)
    inside = [each for each in known if wanted in each.casefold()]
    near = inside or get_close_matches(name, known, n=5, cutoff=0.5)
    meant = f" Did you mean: {', '.join(near[:5])}?" if near else ""
    words = f"The store has no record of the data provider {name[:100]!r}.{meant}"
    raise UsageError(words, field="provider")
