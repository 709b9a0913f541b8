"""The routes below /v1, and the problems of addresses and methods that none of them has."""

import re
from functools import cache

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Mount, Router
from starlette.types import Receive, Scope, Send

from desk.api.annif.projects import ANNIF_ROUTES
from desk.api.declaring import Call, Endpoint
from desk.api.jobs import JOB_ROUTES
from desk.api.openapi import document
from desk.api.outcomes import OUTCOME_ROUTES
from desk.api.problems import problem_answer
from desk.api.submitting import SUBMIT_ROUTES
from worker.jobs.names import id_of

PREFIX = "/v1"
_JOB = re.compile(rf"{PREFIX}/jobs/([^/]+)")


def openapi(_: Call) -> Response:
    """The OpenAPI document of this API."""
    return JSONResponse(_document())


API_ROUTES: list[Endpoint] = [
    *SUBMIT_ROUTES,
    *JOB_ROUTES,
    *OUTCOME_ROUTES,
    *ANNIF_ROUTES,
    Endpoint("GET", "/openapi.json", openapi, None, answers={200: dict[str, object]}),
]


@cache
def _document() -> dict[str, object]:
    return document(API_ROUTES)


class Api:
    """The ASGI application of the routes. It answers every error with a problem."""

    def __init__(self) -> None:
        self._router = Router(API_ROUTES, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            await _problem(error, scope)(scope, receive, send)


class ApiMount(Mount):
    """PREFIX and all addresses below it, also with line breaks, which no path of Starlette has."""

    def __init__(self) -> None:
        super().__init__(PREFIX, Api())
        self.path_regex = re.compile(f"^{PREFIX}(?:/|$)(?P<path>.*)$", re.DOTALL)


def _problem(error: HTTPException, scope: Scope) -> Response:
    if error.status_code != 405:
        job = _JOB.match(scope["path"])
        if job and id_of(job[1]) is None:
            return problem_answer(404, "There is no such job. GET /v1/jobs lists the IDs of jobs.")
        return problem_answer(404, "There is no such page of the API. See /v1/openapi.json")
    matching = [route for route in API_ROUTES if route.matches(scope)[0] is Match.PARTIAL]
    allowed = ", ".join(sorted(set().union(*(route.methods or () for route in matching))))
    return problem_answer(405, f"This address needs the method {allowed}.", {"Allow": allowed})
