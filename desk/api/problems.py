"""Errors of the HTTP API, in the form of RFC 9457 (`application/problem+json`)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus

from pydantic import ValidationError
from starlette.responses import Response

from common.errors import (
    AccessError,
    EnrichmentError,
    LoginRefusedError,
    TooManyRequestsError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"
SHOWN = 5  # mistakes of a request
_UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}  # as pydantic calls it


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong; `title` is the name of the status, `detail` what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class StatusError(EnrichmentError):
    """A problem whose status is known where it happened."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


def problem_answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    content = json.dumps(asdict(problem), ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, headers, media_type=MEDIA_TYPE)


def answer_to(error: EnrichmentError) -> Response:
    """The answer that says what an error says."""
    if isinstance(error, StatusError):
        return problem_answer(error.status, str(error), error.headers)
    if isinstance(error, LoginRefusedError):
        # No challenge of HTTP Basic: a browser that has learned a password sends it for any page.
        return problem_answer(401, str(error), {"WWW-Authenticate": 'Bearer realm="v1"'})
    if isinstance(error, TooManyRequestsError):
        return problem_answer(429, str(error), {"Retry-After": f"{error.seconds:.0f}"})
    if isinstance(error, AccessError):
        return problem_answer(403, str(error))
    return problem_answer(400 if isinstance(error, UsageError) else 503, str(error))


def told_mistakes(error: ValidationError) -> str:
    """The mistakes in a request, without the values that it sent."""
    mistakes = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, each['loc'])) or 'the body'}: "
        f"{'this name is not known' if each['type'] in _UNKNOWN else each['msg']}"
        for each in mistakes
    ]
    more = f" And {len(told) - SHOWN} more." if len(told) > SHOWN else ""
    return f"{'. '.join(told[:SHOWN])}.{more}"
