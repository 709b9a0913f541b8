"""The names of data providers, as promises, tallies and metrics know them.

Metadata may hold anything: a name of a megabyte, or with line ends. Everything that counts pictures
by provider asks here, so that a museum has the same name wherever it is counted.
"""

from typing import Annotated

from pydantic import StringConstraints

from common.process.foreign_text import CONTROLS, UNFIT

LONGEST = 300  # characters
MOST_PROVIDERS_PROMISED = 10_000  # providers of a promise; Europeana has less than half of them

ProviderName = Annotated[str, StringConstraints(max_length=LONGEST, pattern=rf"^[^{CONTROLS}]*$")]
"""A name in a file that may come from anybody."""


def provider_name(text: str) -> str:
    """The name by which a provider is counted: one line of LONGEST characters at most.

    Empty if nothing is left of it.
    """
    in_a_line = " ".join(UNFIT.sub(" ", text).split())
    return in_a_line[:LONGEST].rstrip()
