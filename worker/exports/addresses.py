"""Addresses of pictures as they may be published: without anybody's password or API key."""

import re

_USER = re.compile(r"(?<=://)[^/?#]*@")
_KEY = re.compile(r"(?<=[?&])(?:wskey|api_?key|utm_campaign)=[^&#]*&?", re.IGNORECASE)


def published(url: str) -> str:
    """The address without user name, password and the parameters that hold a key of Europeana's.

    Harvested addresses hold none; those of tables that people made by hand may.
    """
    bare = _USER.sub("", url)
    without_key, found = _KEY.subn("", bare)
    return without_key.rstrip("?&") if found else bare
