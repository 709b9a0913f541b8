"""Requests that change something come from our own pages: where they are from, and their word.

A page of another site can make a browser send us a form with our cookies. It cannot read the word
that our forms bring back, nor say that it is of our origin.
"""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from common.errors import ForgedRequestError

FIELD = "csrf"  # of a form
HEADER = "x-csrf"  # of a request that a script sends
_OWN_SITE = ("same-origin", "none")  # none: typed by the user, so by no page


def check_request(
    headers: Mapping[str, str], *, origin: str, word: str | None, sent: str | None
) -> None:
    """Refuse a request that no page of ours sent.

    Args:
        headers: with names in small letters.
        origin: of our own pages, as in "https://desk.museum.example".
        word: the one that our pages have for this browser; none if it has no session.
        sent: the word of the form; without one that of the header counts.

    Raises:
        ForgedRequestError: the origin is another, or the word is missing or wrong.
    """
    _check_origin(headers, origin)
    brought = sent or headers.get(HEADER) or ""
    if not word or not hmac.compare_digest(_bytes(word), _bytes(brought)):
        raise ForgedRequestError(
            "The page was too old for what you did, and nothing was done. "
            "Load it again, then repeat it."
        )


def word_for(cookie: str) -> str:
    """The word of forms where there is no session yet, made of a random cookie of the browser.

    Another site can neither read the cookie nor compute the word.
    """
    return sha256(b"word of forms:" + _bytes(cookie)).hexdigest()


def _check_origin(headers: Mapping[str, str], origin: str) -> None:
    site, sender = headers.get("sec-fetch-site"), headers.get("origin")
    if (site and site not in _OWN_SITE) or (sender and sender != origin):
        raise ForgedRequestError(
            f"The request came from a page of another address, and nothing was done. "
            f"Open the desk as {origin}."
        )


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")
