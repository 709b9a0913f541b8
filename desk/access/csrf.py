"""Checks that a request that changes data comes from our own pages.

A page of another site can make a browser send us a form with our cookies. It cannot read the word
in our forms, and it cannot claim our origin.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from common.errors import ForgedRequestError

FIELD = "csrf"  # of a form
HEADER = "x-csrf"  # of a request that a script sends
OWN_SITE = ("same-origin", "none")  # none: the user typed the address


def check_request(
    headers: Mapping[str, str], *, origin: str, word: str | None, sent: str | None
) -> None:
    """Refuse a request that does not come from our own pages.

    Args:
        headers: with names in lower case.
        origin: the origin of our pages, as in "https://desk.museum.example".
        word: the word that our pages have for this browser; None if it has no session.
        sent: the word in the form. If it is empty, the word in the header counts.

    Raises:
        ForgedRequestError: the origin is another one, or the word is missing or wrong.
    """
    _check_origin(headers, origin)
    brought = sent or headers.get(HEADER) or ""
    if not word or not hmac.compare_digest(_bytes(word), _bytes(brought)):
        raise ForgedRequestError(
            "This page is too old, so the desk did not act. "
            "Load the page again, then repeat the action."
        )


def word_for(cookie: str) -> str:
    """The word of forms before there is a session. It is derived from a random cookie.

    Another site can neither read the cookie nor compute the word.
    """
    return sha256(b"word of forms:" + _bytes(cookie)).hexdigest()


def _check_origin(headers: Mapping[str, str], origin: str) -> None:
    site, sender = headers.get("sec-fetch-site"), headers.get("origin")
    if (site and site not in OWN_SITE) or (sender and sender != origin):
        raise ForgedRequestError(
            f"The request came from a page of another address, so the desk did not act. "
            f"Open the desk as {origin}."
        )


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")
