"""How the store spells the names of data providers, where that differs from `provider_name`.

Metadata may have a line end or two spaces in a name, so one museum may have several spellings.
Where SQL compares names, it asks for all of them.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from common.store.tables.harvested import PROVIDER_KEY
from common.vision.answers.provider_names import provider_name

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
