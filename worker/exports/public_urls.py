"""URLs of pictures without secrets."""

import re

_USER = re.compile(r"(?<=://)[^/?#]*@")
_KEY = re.compile(r"(?<=[?&])(?:wskey|api_?key|utm_campaign)=[^&#]*&?", re.IGNORECASE)


def published(url: str) -> str:
    """The URL without user name, password and parameters that hold an API key of Europeana.

    Harvested URLs have none of these; URLs of tables that were made by hand may have.
    """
    bare = _USER.sub("", url)
    without_key, found = _KEY.subn("", bare)
    return without_key.rstrip("?&") if found else bare
