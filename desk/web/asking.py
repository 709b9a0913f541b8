"""From a request to a view: who asks, whether the role allows it, and what the form says.

Views are plain functions that run in threads. A page is asked for by GET and changes nothing; a
deed is asked for by POST with the session's word against forgery, and is told where to go next.
Every route names the least role, which is checked here and nowhere else.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import structlog
from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from common.errors import AccessError, EnrichmentError, UsageError
from common.store.tables import Role
from desk.access.actions import log_not_done
from desk.access.csrf import FIELD
from desk.access.login import local_path
from desk.access.sessions import LoggedIn
from desk.web.deeds import check_and_log
from desk.web.desk import CONFIRMED, AskedAgainError, Desk, UnconfirmedError
from desk.web.door import STORE_TROUBLE, read_form, store_trouble
from desk.web.rendering import render

MOST_FIELDS = 2_000  # of a form: a batch of verdicts, or a selection of records
_SIGNS = ":/%#?=@[]!$&'()*+,;"  # that stand in addresses as they are

log = structlog.get_logger()


class NotThereError(UsageError):
    """There is no such page or thing."""


@dataclass(frozen=True, kw_only=True)
class DeskRequest:
    """A request, and who made it; `form` is empty for pages."""

    request: Request
    desk: Desk
    user: LoggedIn
    form: FormData

    def query(self, name: str) -> str:
        """A part of the address after the question mark; empty if it is not there."""
        return self.request.query_params.get(name, "").strip()

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def field(self, name: str) -> str:
        """A field of the form, as text; empty if it is not there."""
        value = self.form.get(name, "")
        return "" if isinstance(value, UploadFile) else value.strip()

    def fields(self, name: str) -> list[str]:
        """All fields of this name."""
        return [each for each in self.form.getlist(name) if isinstance(each, str)]

    def confirm(self, question: str, *, yes: str, back: str) -> None:
        """Go on if somebody said yes to this question; else ask it before anything is done.

        The page that asks sends the same form again. If what the question says has changed
        meanwhile, it is asked anew.

        Args:
            question: what is about to happen, in a sentence or two.
            yes: the words of the button.
            back: the page to go back to.

        Raises:
            UnconfirmedError: nobody has said yes.
        """
        error = UnconfirmedError(question, yes=yes, back=local_path(quote(back, safe=_SIGNS)))
        if self.field(CONFIRMED) != error.answer:
            raise error

    def may(self, role: Role) -> bool:
        """Whether the account may do what this role may."""
        return self.user.may(role)

    @property
    def wants_json(self) -> bool:
        """Whether a script asks, not a person."""
        return "application/json" in self.request.headers.get("accept", "")


View = Callable[[DeskRequest], Response]
Answer = TypeVar("Answer", Response, Response | None)


class Asks(Route):
    """A route with the least role that may use it, and whether its use is an action.

    `places` is how many may wait in it at a time, if these must not hold up other pages.
    """

    def __init__(
        self,
        path: str,
        view: View,
        *,
        role: Role,
        method: str,
        is_logged: bool = False,
        places: int | None = None,
    ) -> None:
        async def endpoint(request: Request) -> Response:
            return await _answer(request, self)

        super().__init__(path, endpoint, methods=[method], name=f"{method} {path}")
        self.view = view
        self.role = role
        self.is_logged = is_logged
        self.limiter = None if places is None else CapacityLimiter(places)


def page(path: str, view: View, role: Role = Role.VIEWER, *, places: int | None = None) -> Asks:
    """A page, which changes nothing."""
    return Asks(path, view, role=role, method="GET", places=places)


def deed(path: str, view: View, role: Role, *, is_logged: bool = True) -> Asks:
    """Something that is done; it is logged as an action, unless it has a log of its own."""
    return Asks(path, view, role=role, method="POST", is_logged=is_logged)


def go_to(path: str, **told: object) -> Response:
    """After a deed: a page of the desk, or its first page if the path leads elsewhere.

    What is `told` goes into its address.
    """
    asked = urlencode({name: value for name, value in told.items() if value not in (None, "")})
    where = local_path(quote(path, safe=_SIGNS))
    if asked:
        where += f"{'&' if '?' in where else '?'}{asked}"
    return RedirectResponse(where, status_code=303)


async def _answer(request: Request, route: Asks) -> Response:
    """Who may not do it is told so before the form is read: nobody else fills the disk."""
    desk: Desk = request.app.state.desk
    if request.method != "POST":
        asked = (request, desk, FormData(), route)
        return await to_thread.run_sync(_viewed, *asked, limiter=route.limiter)
    if (refusal := await run_in_threadpool(_refusal, request, desk, route)) is not None:
        return refusal
    try:
        form = await read_form(request, most_fields=MOST_FIELDS, most_files=1)
    except HTTPException as error:
        return await run_in_threadpool(_not_read, request, desk, error)
    except ClientDisconnect:
        return Response(status_code=400)  # for nobody
    try:
        return await run_in_threadpool(_viewed, request, desk, form, route)
    finally:
        await form.close()


def _viewed(request: Request, desk: Desk, form: FormData, route: Asks) -> Response:
    return _asked(request, desk, form, lambda asked: _done(asked, route))


def _refusal(request: Request, desk: Desk, route: Asks) -> Response | None:
    return _asked(request, desk, FormData(), lambda asked: _role_refused(asked, route))


def _not_read(request: Request, desk: Desk, error: HTTPException) -> Response:
    words = f"The form cannot be read, and nothing was done. {error.detail}"
    return _asked(
        request, desk, FormData(), lambda asked: problem(asked, words, status=error.status_code)
    )


def _asked(
    request: Request, desk: Desk, form: FormData, act: Callable[[DeskRequest], Answer]
) -> Answer | Response:
    """What comes of a request, once it is known whose it is."""
    try:
        visitor = desk.door.who(request)
    except STORE_TROUBLE as error:
        return PlainTextResponse(f"{store_trouble(request, error)}\n", status_code=503)
    if visitor.user is None:
        return _to_login(request)
    response = act(DeskRequest(request=request, desk=desk, user=visitor.user, form=form))
    if response is not None:
        desk.door.remember(visitor, response)
    return response


def _role_refused(asked: DeskRequest, route: Asks) -> Response | None:
    if asked.may(route.role):
        return None
    words = (
        f"This needs the role {route.role}; your account has the role {asked.user.role}. "
        "Who runs the desk changes it: desk users role NAME ROLE"
    )
    return problem(asked, words, status=403)


def _done(asked: DeskRequest, route: Asks) -> Response:
    if (refusal := _role_refused(asked, route)) is not None:
        return refusal
    logged = None
    try:
        logged = check_and_log(asked, route.path if route.is_logged else None)
        return route.view(asked)
    except UnconfirmedError as error:
        answer = _question(asked, error)
    except AskedAgainError as error:
        answer = go_to(error.page, told=str(error))
    except EnrichmentError as error:
        answer = problem(asked, str(error), status=_status(error))
    except STORE_TROUBLE as error:
        answer = problem(asked, store_trouble(asked.request, error), status=503)
    except Exception:  # of one page; the desk goes on
        log.exception("a page failed", path=asked.request.url.path)
        words = "This page failed, and the log of the desk says why. Nothing was changed by it."
        answer = problem(asked, words, status=500)
    if logged is not None:
        with suppress(*STORE_TROUBLE), asked.desk.engine.begin() as connection:
            log_not_done(connection, asked.user.number, logged)
    return answer


def _to_login(request: Request) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"error": "Log in again."}, status_code=401)
    after = _address(request) if request.method == "GET" else "/"
    return RedirectResponse(f"/login?{urlencode({'after': after})}", status_code=303)


def _address(request: Request) -> str:
    """Path and query, as the browser wrote them."""
    path, query = request.scope["raw_path"].decode("ascii"), request.url.query
    return f"{path}?{query}" if query else path


def _status(error: EnrichmentError) -> int:
    if isinstance(error, AccessError):
        return 403
    if isinstance(error, NotThereError):
        return 404
    return 400 if isinstance(error, UsageError) else 503


def _question(asked: DeskRequest, error: UnconfirmedError) -> Response:
    """The question with the form that was sent, for whoever says yes."""
    if asked.wants_json:
        return JSONResponse({"error": str(error)}, status_code=409)
    again = [
        (name, value)
        for name, value in asked.form.multi_items()
        if isinstance(value, str) and name not in (FIELD, CONFIRMED)
    ]
    values = {"question": error, "again": again, "name": CONFIRMED}
    return render(asked, "confirm", values, status=409)


def problem(asked: DeskRequest, words: str, *, status: int) -> Response:
    """What went wrong, as a page, or as JSON for a script."""
    if asked.wants_json:
        return JSONResponse({"error": words}, status_code=status)
    values = {"words": words, "status": status, "is_deed": asked.request.method == "POST"}
    return render(asked, "problem", values, status=status)


def number(text: str, *, what: str, least: float = 0.0, most: float = 1e9) -> float | None:
    """The number in a field, None where it is empty.

    Raises:
        UsageError: it is no number, or out of range.
    """
    if not text:
        return None
    try:
        found = float(text)
    except ValueError as error:
        raise UsageError(f"{what} is {text[:40]!r}, which is no number.") from error
    if not least <= found <= most:
        raise UsageError(f"{what} is {found:g}; it must be from {least:g} to {most:g}.")
    return found
