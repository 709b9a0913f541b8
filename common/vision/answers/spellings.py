"""How the store spells the names of data providers, where that differs from `provider_name`.

Metadata may have a line end or two spaces in a name, so one museum may have several spellings.
Where SQL compares names, it asks for all of them.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from common.vision.answers.provider_names import provider_name

# From name to name by the index: DISTINCT would read all records.
_NAMES = text("""
    WITH RECURSIVE named AS (
        (SELECT data_provider FROM record WHERE data_provider IS NOT NULL
         ORDER BY data_provider LIMIT 1)
        UNION ALL
        SELECT (SELECT data_provider FROM record WHERE data_provider > named.data_provider
                ORDER BY data_provider LIMIT 1)
        FROM named WHERE named.data_provider IS NOT NULL
    )
    SELECT data_provider FROM named WHERE data_provider IS NOT NULL
""")


def odd_spellings(connection: Connection) -> dict[str, str]:
    """The name of each provider that the store spells otherwise, by its spelling there."""
    spelt = connection.execute(_NAMES).scalars()
    return {each: name for each in spelt if (name := provider_name(each)) != each}


def spellings_of(connection: Connection, names: Iterable[str]) -> dict[str, list[str]]:
    """All spellings of these providers in the store, the name itself among them."""
    spellings = {name: [name] for name in names}
    for spelt, name in odd_spellings(connection).items():
        if name in spellings:
            spellings[name].append(spelt)
    return spellings
