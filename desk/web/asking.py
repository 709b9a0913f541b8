"""From a request to a view: the account, its role and the form.

Views are plain functions that run in threads. A GET shows a page and changes no data. A POST asks
for an action: it carries the session's word against forgery, and the answer redirects the browser.
Every route names the lowest role that may use it. Only this module checks the role.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar
from urllib.parse import quote, urlencode

import structlog
from anyio import CapacityLimiter, create_task_group, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from common.errors import AccessError, EnrichmentError, UsageError
from common.store.tables import Role
from common.vocabulary.languages import READER, wanted_languages
from desk.access.actions import log_not_done
from desk.access.login import local_path
from desk.web.desk import AskedAgainError, Desk, UnconfirmedError
from desk.web.door import STORE_TROUBLE, read_form, store_trouble
from desk.web.noted_actions import check_and_log
from desk.web.request import DeskRequest
from desk.web.responses import GoTo, problem, question, to_login

__all__ = ["Asks", "DeskRequest", "NotThereError", "action", "go_to", "page"]

MOST_OF_FORM = 256 << 10  # bytes: fifty verdicts, or a thousand jobs, take a fifth of it
MOST_FIELDS = 2_000  # of a form: a batch of verdicts, or a selection of records
_SIGNS = ":/%#?=@[]!$&'()*+,;"  # characters that an address may have unescaped

log = structlog.get_logger()


class NotThereError(UsageError):
    """The page, or the thing that it is about, does not exist."""


View = Callable[[DeskRequest], Response]
Result = TypeVar("Result", Response, Response | None)


class Asks(Route):
    """A route with the lowest role that may use it.

    Args:
        is_logged: write each use to the log of actions. False if the route changes no data or has
            a log of its own.
        form: the page that has the form. If the action is refused, this page shows the reason
            and the form as it was filled in.
        logged: the fields of the form that the log gets. It gets the parts of the path anyway.
        most: the largest size of the form in bytes.
        places: how many requests may wait in this route at a time, so that it does not hold up
            other pages.
    """

    def __init__(
        self,
        path: str,
        view: View,
        role: Role = Role.VIEWER,
        *,
        method: str,
        form: View | None = None,
        is_logged: bool = False,
        logged: Sequence[str] = (),
        most: int = MOST_OF_FORM,
        places: int | None = None,
    ) -> None:
        async def endpoint(request: Request) -> Response:
            return await _answer(request, self)

        super().__init__(path, endpoint, methods=[method], name=f"{method} {path}")
        self.view = view
        self.role = role
        self.form = form
        self.is_logged = is_logged
        self.logged = logged
        self.most = most
        self.limiter = None if places is None else CapacityLimiter(places)


page = partial(Asks, method="GET")
action = partial(Asks, method="POST", is_logged=True)


def go_to(path: str, *, told: str = "", **more: object) -> GoTo:
    """Redirect to a page of the desk, or to its first page if the path leads elsewhere.

    Args:
        told: the message that the page shows.
        more: parameters of the page's address.
    """
    asked = urlencode({name: value for name, value in more.items() if value not in (None, "")})
    where = local_path(quote(path, safe=_SIGNS))
    if asked:
        where += f"{'&' if '?' in where else '?'}{asked}"
    return GoTo(where, told=told)


async def _answer(request: Request, route: Asks) -> Response:
    """Check the role before reading the form, so that a stranger cannot fill the disk."""
    desk: Desk = request.app.state.desk
    if request.method != "POST":
        asked = (request, desk, FormData(), route)
        return await to_thread.run_sync(_viewed, *asked, limiter=route.limiter)
    if (refusal := await run_in_threadpool(_refusal, request, desk, route)) is not None:
        return refusal
    try:
        form = await read_form(request, most=route.most, most_fields=MOST_FIELDS, most_files=1)
    except HTTPException as error:
        return await run_in_threadpool(_not_read, request, desk, error)
    except ClientDisconnect:
        return Response(status_code=400)  # the browser has gone and reads no answer
    try:
        async with create_task_group() as tasks:
            tasks.start_soon(_notice_leaving, request)
            response = await run_in_threadpool(_viewed, request, desk, form, route)
            tasks.cancel_scope.cancel()
    finally:
        await form.close()
    return response


async def _notice_leaving(request: Request) -> None:
    """Wait until the browser disconnects. After the form, that is the only message left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    request.state.has_left = True


def _viewed(request: Request, desk: Desk, form: FormData, route: Asks) -> Response:
    return _asked(request, desk, form, lambda asked: _done(asked, route))


def _refusal(request: Request, desk: Desk, route: Asks) -> Response | None:
    return _asked(request, desk, FormData(), lambda asked: _role_refused(asked, route))


def _not_read(request: Request, desk: Desk, error: HTTPException) -> Response:
    words = f"The desk cannot read the form, so it did not act. {error.detail}"
    return _asked(
        request, desk, FormData(), lambda asked: problem(asked, words, status=error.status_code)
    )


def _asked(
    request: Request, desk: Desk, form: FormData, act: Callable[[DeskRequest], Result]
) -> Result | Response:
    """Answer a request whose account is known."""
    try:
        visitor = desk.door.who(request)
    except STORE_TROUBLE as error:
        return PlainTextResponse(f"{store_trouble(request, error)}\n", status_code=503)
    if visitor.user is None:
        return to_login(request)
    READER.set(tuple(wanted_languages(request.headers.get("accept-language", ""))))
    response = act(DeskRequest(request=request, desk=desk, user=visitor.user, form=form))
    if isinstance(response, GoTo):
        response.sign(visitor.user.csrf)
    if response is not None:
        desk.door.remember(visitor, response)
    return response


def _role_refused(asked: DeskRequest, route: Asks) -> Response | None:
    if asked.may(route.role):
        return None
    words = (
        f"This action needs the role {route.role}, but your account has the role "
        f"{asked.user.role}. The person who runs the desk can change your role: desk users "
        "role NAME ROLE"
    )
    return problem(asked, words, status=403)


def _done(asked: DeskRequest, route: Asks) -> Response:
    if (refusal := _role_refused(asked, route)) is not None:
        return refusal
    logged = None
    try:
        logged = check_and_log(asked, route)
        return route.view(asked)
    except UnconfirmedError as error:
        answer = question(asked, error)
    except AskedAgainError as error:
        answer = _form_again(asked, route, UsageError(str(error))) or go_to(
            error.page, told=str(error)
        )
    except EnrichmentError as error:
        answer = _refused(asked, route, error)
    except STORE_TROUBLE as error:
        answer = problem(asked, store_trouble(asked.request, error), status=503)
    except Exception:  # of one page; the desk goes on
        log.exception("a page failed", path=asked.request.url.path)
        words = "This page failed, and changed no data. The log of the desk has the reason."
        answer = problem(asked, words, status=500)
    if logged is not None:
        with suppress(*STORE_TROUBLE), asked.desk.engine.begin() as connection:
            log_not_done(connection, asked.user.number, logged)
    return answer


def _refused(asked: DeskRequest, route: Asks, error: EnrichmentError) -> Response:
    again = _form_again(asked, route, error) if isinstance(error, UsageError) else None
    return again or problem(asked, str(error), status=_status(error))


def _form_again(asked: DeskRequest, route: Asks, mistake: UsageError) -> Response | None:
    """The page of the form, filled in and with the mistake; None if the route has no such page."""
    if route.form is None or asked.wants_json or _status(mistake) != 400:
        return None
    with suppress(EnrichmentError, *STORE_TROUBLE):
        answer = route.form(replace(asked, mistake=mistake))
        answer.status_code = 400
        return answer
    return None


def _status(error: EnrichmentError) -> int:
    if isinstance(error, AccessError):
        return 403
    if isinstance(error, NotThereError):
        return 404
    return 400 if isinstance(error, UsageError) else 503
