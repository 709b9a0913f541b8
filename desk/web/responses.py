"""Answers other than a view's page: a redirection, a question, a problem."""

import hmac
from hashlib import sha256
from textwrap import shorten
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from desk.access.csrf import FIELD
from desk.web.desk import CONFIRMED, NO, UnconfirmedError
from desk.web.rendering import render

if TYPE_CHECKING:
    from desk.web.request import DeskRequest

LONGEST_TOLD = 600  # characters


class GoTo(RedirectResponse):
    """A redirection to a page that shows a message.

    The message is in the address, with a signature. So a stranger's link cannot show a message.
    """

    def __init__(self, where: str, *, told: str) -> None:
        super().__init__(where, status_code=303)
        self._told = shorten(told, LONGEST_TOLD, placeholder=" …")

    def sign(self, word: str) -> None:
        """Add the message and its signature. It holds for the session that has this word."""
        if self._told:
            where = self.headers["location"]
            told = urlencode({"told": self._told, "signed": _signature(self._told, word)})
            self.headers["location"] = f"{where}{'&' if '?' in where else '?'}{told}"


def told_in(request: Request, word: str) -> str:
    """The message of the action before this page; empty if it is not signed for this session."""
    told = request.query_params.get("told", "")
    signed = request.query_params.get("signed", "").encode("utf-8", "surrogatepass")
    return told if hmac.compare_digest(_signature(told, word).encode(), signed) else ""


def _signature(told: str, word: str) -> str:
    said = told.encode("utf-8", "surrogatepass")
    return hmac.new(b"told:" + word.encode(), said, sha256).hexdigest()[:32]


def to_login(request: Request) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": "Log in again."}, status_code=401)
    after = _address(request) if request.method == "GET" else "/"
    return RedirectResponse(f"/login?{urlencode({'after': after})}", status_code=303)


def _address(request: Request) -> str:
    """Path and query exactly as the browser sent them."""
    path, query = request.scope["raw_path"].decode("ascii"), request.url.query
    return f"{path}?{query}" if query else path


def question(asked: "DeskRequest", error: UnconfirmedError) -> Response:
    if asked.wants_json:
        return JSONResponse({"error": str(error)}, status_code=409)
    again = [
        (name, value)
        for name, value in asked.form.multi_items()
        if isinstance(value, str) and name not in (FIELD, CONFIRMED)
    ]
    values = {"question": error, "again": again, "name": CONFIRMED, "no": NO}
    return render(asked, "confirm", values, status=409)


def problem(asked: "DeskRequest", words: str, *, status: int) -> Response:
    """A page that says what went wrong, or the same as JSON for a script."""
    if asked.wants_json:
        return JSONResponse({"error": words}, status_code=status)
    values = {"words": words, "status": status, "is_action": asked.request.method == "POST"}
    return render(asked, "problem", values, status=status)
