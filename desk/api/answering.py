"""From a request to an answer: the token, the role, the address, the body, the view.

The API needs a token even on a desk without accounts. It reads no cookie, so no page of another
site can act in the name of a person who is logged in.
"""

from contextlib import suppress
from typing import Any

import structlog
from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from common.errors import AccessError, EnrichmentError
from common.process.terminal.json_output import adapter
from common.store.tables import Role
from desk.access.actions import log_action, log_not_done
from desk.access.csrf import OWN_SITE
from desk.access.sessions import LoggedIn
from desk.access.tokens import caller_of
from desk.api.declaring import JSON, Call, Endpoint, Reply
from desk.api.problems import StatusError, answer_to, problem_answer
from desk.api.reading import read_body, read_query, token_in
from desk.web.desk import Desk
from desk.web.door import STORE_TROUBLE, store_trouble

AWAY = "The database of the desk is away or busy. Try again in a moment."
_EVERYONE = LoggedIn(number=0, name="everyone", role=Role.VIEWER, csrf="")

log = structlog.get_logger()


async def answer(request: Request, route: Endpoint) -> Response:
    """The answer of a route, or the problem that keeps it from one."""
    try:
        user = await run_in_threadpool(_caller, request, route)
        query = read_query(request, route.query)
        async with read_body(request, route) as (media, body):
            call = Call(
                request=request,
                desk=request.app.state.desk,
                user=user,
                query=query,
                body=body,
                media=media,
            )
            return await to_thread.run_sync(_viewed, call, route, limiter=route.limiter)
    except EnrichmentError as error:
        return answer_to(error)
    except HTTPException as error:  # of the body
        return problem_answer(error.status_code, error.detail, error.headers)
    except ClientDisconnect:
        return Response(status_code=400)  # the caller has gone and reads no answer
    except STORE_TROUBLE as error:
        store_trouble(request, error)  # its words are for people with a browser
        return problem_answer(503, AWAY, {"Retry-After": "10"})
    except Exception:  # of one request; the desk goes on
        log.exception("a request failed", path=request.url.path)
        return problem_answer(500, "This request failed. The log of the desk has the reason.")


def _caller(request: Request, route: Endpoint) -> LoggedIn:
    if route.role is None:
        return _EVERYONE
    if request.headers.get("sec-fetch-site", "none") not in OWN_SITE:  # a browser has a password
        raise AccessError("The request came from a page of another address.")
    desk: Desk = request.app.state.desk
    user = caller_of(desk.engine, token_in(request.headers))
    if not user.may(route.role):
        raise AccessError(
            f"This request needs the role {route.role}, but the token has the role "
            f"{user.role}. The person who runs the desk can make another token: desk tokens "
            "add NAME --role ROLE"
        )
    if any("\0" in str(each) for each in request.path_params.values()):
        raise StatusError(404, "The address contains a null character, which is not allowed.")
    return user


def _viewed(call: Call, route: Endpoint) -> Response:
    logged = _logged(call, route)
    try:
        return _response(route, route.view(call))
    except BaseException:
        if logged is not None:
            with suppress(*STORE_TROUBLE), call.desk.engine.begin() as connection:
                log_not_done(connection, call.user.number, logged)
        raise


def _logged(call: Call, route: Endpoint) -> int | None:
    """Log an action before it is done, so that the log has every action."""
    if route.logged is None:
        return None
    asked = call.query.model_dump(mode="json", include=set(route.logged), exclude_none=True)
    about = asked | {name: str(value) for name, value in call.request.path_params.items()}
    with call.desk.engine.begin() as connection:
        return log_action(connection, call.user.number, f"/v1{route.path}", about)


def _response(route: Endpoint, value: Any) -> Response:
    if isinstance(value, Response):
        return value
    reply = value if isinstance(value, Reply) else Reply(value=value, status=min(route.answers))
    kind = route.answers[reply.status]
    if kind is None:
        return Response(status_code=reply.status, headers=reply.headers)
    content = adapter(kind).dump_json(reply.value)
    return Response(content, reply.status, reply.headers, media_type=JSON)
