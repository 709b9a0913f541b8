"""Login by password or with the identity provider, and logout."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from common.errors import AccessError, EnrichmentError, TooManyLoginsError
from common.store.tables import Role
from desk.access.accounts import LONGEST_NAME
from desk.access.login import Entrance, come_back, local_path, log_in
from desk.access.sessions import end_session
from desk.web.asking import DeskRequest, action
from desk.web.desk import Desk
from desk.web.door import STORE_TROUBLE, address_of, read_form, store_trouble
from desk.web.rendering import plain_page

MOST_OF_FORM = 16 << 10  # bytes; few, because the sender is not known yet


async def ask(request: Request) -> Response:
    return await _answered(request, lambda: _form(request, "", 200))


async def enter(request: Request) -> Response:
    try:
        form = await read_form(request, most=MOST_OF_FORM, most_fields=10)
    except ClientDisconnect:
        return Response(status_code=400)  # the browser has gone and reads no answer
    return await _answered(request, lambda: _entered(request, form))


async def depart(request: Request) -> Response:
    return await _answered(request, lambda: _departed(request))


async def arrive(request: Request) -> Response:
    return await _answered(request, lambda: _arrived(request))


async def _answered(request: Request, answer: Callable[[], Response]) -> Response:
    try:
        return await run_in_threadpool(answer)
    except STORE_TROUBLE as error:
        return PlainTextResponse(f"{store_trouble(request, error)}\n", status_code=503)


def log_out(asked: DeskRequest) -> Response:
    cookies = asked.desk.door.cookies
    end_session(asked.desk.engine, cookies.session.read(asked.request))
    response = RedirectResponse("/login", status_code=303)
    cookies.session.remove(response)
    return response


def _form(
    request: Request, problem: str, status: int, *, after: str | None = None, name: str = ""
) -> Response:
    door = _desk(request).door
    visitor = door.who(request)
    after = local_path(after or request.query_params.get("after"))
    if visitor.user is not None and not problem:
        return RedirectResponse(after, status_code=303)
    values = {"problem": problem, "after": after, "name": name, "csrf": visitor.word}
    page = plain_page("login", values | {"has_provider": door.provider is not None})
    response = HTMLResponse(page, status_code=status)
    door.remember(visitor, response)
    return response


def _entered(request: Request, form: FormData) -> Response:
    desk = _desk(request)
    visitor = desk.door.who(request)
    try:
        desk.door.check_action(request, form, visitor.word)
        entrance = log_in(
            desk.engine,
            name=_text(form, "name"),
            password=_text(form, "password"),
            address=address_of(request),
            browser=desk.door.cookies.browser.read(request),
        )
    except EnrichmentError as error:
        name, after = _text(form, "name")[:LONGEST_NAME], _text(form, "after")
        return _form(request, str(error), _status_of(error), after=after, name=name)
    return _welcome(request, entrance, local_path(_text(form, "after")))


def _departed(request: Request) -> Response:
    door = _desk(request).door
    if door.provider is None:
        return _form(request, "This desk has no identity provider. Log in with a password.", 404)
    try:
        departure = door.provider.begin(origin=door.origin(request))
    except AccessError as error:
        return _form(request, str(error), 502)
    response = RedirectResponse(departure.address, status_code=303)
    door.cookies.departure.give(response, departure.cookie)
    return response


def _arrived(request: Request) -> Response:
    desk = _desk(request)
    door = desk.door
    if door.provider is None:
        return _form(request, "This desk has no identity provider. Log in with a password.", 404)
    try:
        entrance = come_back(
            desk.engine,
            door.provider,
            door.settings,
            origin=door.origin(request),
            cookie=door.cookies.departure.read(request),
            answer=request.query_params,
            address=address_of(request),
        )
    except AccessError as error:
        return _form(request, str(error), _status_of(error))
    return _welcome(request, entrance, "/")


def _welcome(request: Request, entrance: Entrance, after: str) -> Response:
    """Start the new session and end the browser's former one, which may be another person's."""
    desk = _desk(request)
    cookies = desk.door.cookies
    end_session(desk.engine, cookies.session.read(request))
    response = RedirectResponse(after, status_code=303)
    cookies.session.give(response, entrance.token)
    if entrance.browser is not None:
        cookies.browser.give(response, entrance.browser)
    cookies.departure.remove(response)
    cookies.form.remove(response)
    return response


def _status_of(error: EnrichmentError) -> int:
    return 429 if isinstance(error, TooManyLoginsError) else 403


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


ROUTES = [
    Route("/login", ask, methods=["GET"]),
    Route("/login", enter, methods=["POST"]),
    Route("/login/identity", depart, methods=["GET"]),
    Route("/login/identity/back", arrive, methods=["GET"]),
    action("/logout", log_out, Role.VIEWER, is_logged=False),
]
