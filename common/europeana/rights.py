"""What an edm:rights statement lets one do: Europeana's three classes of reusability.

The prefixes are those by which the Search API sorts its `reusability`; versions and country
ports follow them (`/by-nc-nd/3.0/de/`).
"""

from typing import Literal

Reusability = Literal["open", "restricted", "permission", "uncategorized"]

_LICENSES = "//creativecommons.org/licenses/"
_STATEMENTS = "//rightsstatements.org/vocab/"
_RETIRED = "//www.europeana.eu/rights/"
_PREFIXES: dict[Reusability, tuple[str, ...]] = {
    "open": (
        "//creativecommons.org/publicdomain/mark/",
        "//creativecommons.org/publicdomain/zero/",
        _LICENSES + "by/",
        _LICENSES + "by-sa/",
    ),
    "restricted": (
        *(_LICENSES + kind for kind in ("by-nc/", "by-nc-sa/", "by-nc-nd/", "by-nd/")),
        *(_STATEMENTS + kind for kind in ("InC-EDU/", "NoC-NC/", "NoC-OKLR/")),
        _RETIRED + "out-of-copyright-non-commercial/",
    ),
    "permission": (
        *(_STATEMENTS + kind for kind in ("InC/", "InC-OW-EU/", "CNE/")),
        *(_RETIRED + kind for kind in ("rr-f/", "rr-p/", "rr-r/")),
        *(_RETIRED + kind for kind in ("unknown/", "test-orphan-work-test/")),
    ),
}


def reusability(rights: str) -> Reusability:
    """The class of a rights statement, given by its URI with http or https."""
    _, _, address = rights.strip().partition(":")
    for name, prefixes in _PREFIXES.items():
        if address.startswith(prefixes):
            return name
    return "uncategorized"
