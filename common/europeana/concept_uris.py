"""URIs of concepts. Europeana dropped the `/base/` of its own in 2022; records have both forms."""

import re

_EUROPEANA_URI = re.compile(r"^https?://data\.europeana\.eu/(?P<kind>[a-z]+)/(?:base/)*")
_IN_URI = r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff\"<>\\^`{|}]"
_URI = re.compile(rf"https?://{_IN_URI}+\.{_IN_URI}+")


def current_concept_uri(uri: str) -> str:
    """The current form of a concept URI: http, and no `/base/` in Europeana's own."""
    return _EUROPEANA_URI.sub(r"http://data.europeana.eu/\g<kind>/", uri.strip(), count=1)


def concept_uri_forms(uri: str) -> tuple[str, ...]:
    """The forms of a concept URI that records may hold: the current one, then that before 2022."""
    current = current_concept_uri(uri)
    former = _EUROPEANA_URI.sub(r"http://data.europeana.eu/\g<kind>/base/", current, count=1)
    return tuple(dict.fromkeys((current, former)))


def is_concept_uri(text: str) -> bool:
    return _URI.fullmatch(text.strip()) is not None
