"""Declarations of routes: what each takes, what it answers, and the lowest role that may use it.

A view is a plain function that runs in a thread. It gets a `Call`, and returns a value of the
answer's type, a `Reply`, or a response of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from anyio import CapacityLimiter
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from common.store.tables import Role
from desk.access.sessions import LoggedIn
from desk.web.desk import Desk

MOST_OF_BODY = 1 << 20  # bytes
JSON, TEXT = "application/json", "text/plain"
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"


class NoQuery(BaseModel):
    """The parameters of an address that has none; base of all others: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True)
class Body:
    """A form that the body of a request may have.

    Args:
        media: its media type: JSON, FORM, MULTIPART or TEXT.
        kind: the type of the value. For forms a pydantic model; a field of type `bytes` is an
            uploaded file.
        is_file: the view gets the bytes as a file, and reads them itself.
    """

    media: str
    kind: Any
    is_file: bool = False


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request whose account, address and body are checked.

    `body` has the type that the route declares; it is a file if the route declares that, and None
    without a body. `media` is the media type of the body.
    """

    request: Request
    desk: Desk
    user: LoggedIn
    query: Any
    body: Any = None
    media: str = ""

    def path(self, name: str) -> Any:
        return self.request.path_params[name]

    @property
    def file(self) -> BinaryIO:
        file: BinaryIO = self.body
        return file


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A value with another status than 200, or with headers."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


View = Callable[[Call], Any]


class Endpoint(Route):
    """A route of the API.

    Args:
        view: its docstring describes the route in the OpenAPI document.
        role: None for what everyone may read, without a token.
        answers: the type of the JSON by status; None for an answer without a body.
        also: media types that a successful answer may have beside JSON, with their types.
        bodies: the forms that the body may have; empty if the route takes none.
        needs_body: whether the body may not be left out.
        most: the largest size of the body in bytes.
        conflicts: whether the state of what it is about may refuse it, with 409.
        logged: parameters of the address that the log of actions gets; None if the route changes no
            data or has a log of its own.
        headers: headers that the view reads, each with its description.
        places: how many requests may work in this route at a time.
    """

    def __init__(
        self,
        method: str,
        path: str,
        view: View,
        role: Role | None = Role.VIEWER,
        *,
        answers: Mapping[int, Any],
        also: Mapping[str, Any] | None = None,
        query: type[BaseModel] = NoQuery,
        bodies: Sequence[Body] = (),
        needs_body: bool = True,
        most: int = MOST_OF_BODY,
        conflicts: bool = False,
        logged: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        places: int | None = None,
    ) -> None:
        from desk.api.answering import answer  # it needs this class

        async def endpoint(request: Request) -> Response:
            return await answer(request, self)

        super().__init__(path, endpoint, methods=[method], name=f"{method} {path}")
        self.method = method
        self.view = view
        self.role = role
        self.answers = answers
        self.also = dict(also or {})
        self.query = query
        self.bodies = tuple(bodies)
        self.needs_body = needs_body
        self.most = most
        self.conflicts = conflicts
        self.logged = logged
        self.headers = dict(headers or {})
        self.limiter = None if places is None else CapacityLimiter(places)
