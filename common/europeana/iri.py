"""Addresses as linked data writes them.

An IRI may hold any language's letters, but no space and none of a few signs that strangers'
URLs do hold: https://www.rfc-editor.org/rfc/rfc3987#section-2.2.
"""

import re

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f<>\"{}|\\^`]")


def iri(url: str) -> str:
    """The URL with what an IRI must not hold percent-encoded, and nothing else changed."""
    return _FORBIDDEN.sub(_percent_encoded, url)


def _percent_encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())
