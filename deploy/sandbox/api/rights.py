"""The uses that a rights statement allows: the three categories of `reusability`.

The prefixes are those of Europeana's search server; versions and countries of a licence vary.
"""

_CREATIVE_COMMONS = "http://creativecommons.org/"
_STATEMENTS = "http://rightsstatements.org/vocab/"
_RETIRED = "http://www.europeana.eu/rights/"

REUSABILITY: dict[str, tuple[str, ...]] = {
    "open": (
        f"{_CREATIVE_COMMONS}publicdomain/mark/",
        f"{_CREATIVE_COMMONS}publicdomain/zero/1.0/",
        f"{_CREATIVE_COMMONS}licenses/by/",
        f"{_CREATIVE_COMMONS}licenses/by-sa/",
    ),
    "restricted": (
        f"{_CREATIVE_COMMONS}licenses/by-nc/",
        f"{_CREATIVE_COMMONS}licenses/by-nc-sa/",
        f"{_CREATIVE_COMMONS}licenses/by-nc-nd/",
        f"{_CREATIVE_COMMONS}licenses/by-nd/",
        f"{_STATEMENTS}InC-EDU/1.0/",
        f"{_STATEMENTS}NoC-NC/1.0/",
        f"{_STATEMENTS}NoC-OKLR/1.0/",
        f"{_RETIRED}out-of-copyright-non-commercial/",
    ),
    "permission": (
        f"{_STATEMENTS}InC/1.0/",
        f"{_STATEMENTS}InC-OW-EU/1.0/",
        f"{_STATEMENTS}CNE/1.0/",
        f"{_RETIRED}rr-f/",
        f"{_RETIRED}rr-p/",
        f"{_RETIRED}rr-r/",
        f"{_RETIRED}unknown/",
        f"{_RETIRED}test-orphan-work-test/",
    ),
}
