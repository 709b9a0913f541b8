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
    _, _, address = rights.strip().partition(":")
    for name, prefixes in _PREFIXES.items():
        if address.startswith(prefixes):
            return name
    return "uncategorized"


_PUBLIC = {"publicdomain/mark": "Public Domain", "publicdomain/zero": "CC0"}
_STATEMENT_WORDS = {
    "InC": "In Copyright",
    "InC-EDU": "In Copyright, educational use",
    "InC-OW-EU": "In Copyright, EU orphan work",
    "InC-RUU": "In Copyright, owner not found",
    "NoC-NC": "No Copyright, non-commercial use",
    "NoC-OKLR": "No Copyright, other legal restrictions",
    "CNE": "Copyright not evaluated",
}


def rights_words(rights: str | None) -> str:
    """A rights statement in a few words, such as CC BY-SA 4.0; its URI if it is unknown.

    The words are those of https://rightsstatements.org and https://creativecommons.org.
    """
    if not rights:
        return "Rights unknown"
    parts = rights.strip().rstrip("/").split("/")
    if "licenses" in parts[3:4] and len(parts) > 4:
        return " ".join(["CC", parts[4].upper(), *parts[5:6]])
    if (known := _PUBLIC.get("/".join(parts[3:5]))) is not None:
        return known
    if "vocab" in parts[3:4] and len(parts) > 4:
        return _STATEMENT_WORDS.get(parts[4], rights)
    return rights
