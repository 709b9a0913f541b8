"""The account of a request, its form, and the check that an action came from our own pages."""

import re
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import parse_qsl

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from common.process.database_trouble import is_away, last_words
from common.process.settings.desk import AccessSettings
from desk.access.accounts import BUILT_IN, local_operator
from desk.access.cookies import Cookies
from desk.access.csrf import FIELD, check_request, word_for
from desk.access.identity import IdentityProvider
from desk.access.sessions import LoggedIn, who

LONGEST_FIELD = 1 << 20  # bytes
STORE_TROUBLE = (DBAPIError, NoConnectionError)
_URLENCODED = "application/x-www-form-urlencoded"
_UTF_8 = re.compile(r"; *charset=utf-8 *(?=;|$)")

_AWAY = (
    "The desk cannot reach its database, Postgres. Try again in a minute. If that does not help, "
    "tell the person who runs the desk. Verdicts that are not saved yet wait in your browser."
)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """The account that asks, if known. `form` is the cookie that binds forms to the browser."""

    user: LoggedIn | None
    form: str
    is_new: bool

    @property
    def word(self) -> str:
        """The word that forms send back before there is a session."""
        return word_for(self.form)


class Door:
    """Finds the account of a request: by session, or the built-in one. Threads share it."""

    def __init__(self, engine: Engine, settings: AccessSettings) -> None:
        self._engine = engine
        self.settings = settings
        self.cookies = Cookies.of(is_https=settings.is_https)
        self.provider = IdentityProvider(settings) if settings.oidc_issuer else None

    def who(self, request: Request) -> Visitor:
        given = self.cookies.form.read(request)
        form = given or secrets.token_urlsafe(32)
        user = who(self._engine, self.cookies.session.read(request))
        if user is None:
            user = local_operator(
                self._engine, self.settings, address=address_of(request), word=word_for(form)
            )
        return Visitor(user=user, form=form, is_new=given is None)

    def remember(self, visitor: Visitor, response: Response) -> None:
        """Give a new browser the cookie that binds forms to it."""
        if visitor.is_new:
            self.cookies.form.give(response, visitor.form)

    def check_action(self, request: Request, form: FormData, word: str) -> None:
        """Refuse an action that does not come from our own pages.

        Raises:
            ForgedRequestError: the word is missing or wrong, or another site sent the form.
        """
        sent = form.get(FIELD)
        check_request(
            request.headers,
            origin=self.origin(request),
            word=word,
            sent=sent if isinstance(sent, str) else None,
        )

    def origin(self, request: Request) -> str:
        return self.settings.origin_for(request.headers.get("host", ""))


async def read_form(
    request: Request,
    *,
    most: int,
    most_fields: int,
    most_files: int = 0,
    longest: int = LONGEST_FIELD,
) -> FormData:
    """The form of a request, in UTF-8 as our own pages send it.

    Args:
        most: the largest size of the whole form in bytes.
        longest: that of a form without files, or of a field beside files.

    Raises:
        HTTPException: the form is malformed or too large.
        ClientDisconnect: the browser disconnected.
    """
    kind = request.headers.get("content-type", "").lower()
    if "charset" in _UTF_8.sub("", kind):
        # Some other codecs raise other errors.
        raise HTTPException(400, "The form is not in UTF-8.")
    is_short = kind.startswith(_URLENCODED)
    bounded = Bounded(request, min(most, longest) if is_short else most)
    bounded.check(int(request.headers.get("content-length", "0")))
    if is_short:
        return await run_in_threadpool(_fields, await bounded.body(), most_fields)
    return await bounded.form(max_fields=most_fields, max_files=most_files, max_part_size=longest)


def _fields(body: bytes, most_fields: int) -> FormData:
    """Parse the fields. Starlette's own parser takes seconds for a megabyte of `&`."""
    try:
        pairs = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, max_num_fields=most_fields
        )
    except ValueError as error:
        raise HTTPException(400, f"The form has more than {most_fields:,} fields.") from error
    return FormData([*pairs])


class Bounded(Request):
    def __init__(self, request: Request, most: int) -> None:
        super().__init__(request.scope, request.receive)
        self._most = most

    async def stream(self) -> AsyncGenerator[bytes, None]:
        came = 0
        async for piece in super().stream():
            came += len(piece)
            self.check(came)
            yield piece

    def check(self, size: int) -> None:
        """Refuse a body that is too large.

        Raises:
            HTTPException: the message gives the limit.
        """
        if size > self._most:
            raise HTTPException(413, f"At most {self._most >> 10:,} KiB are allowed.")


def store_trouble(request: Request, error: DBAPIError | NoConnectionError) -> str:
    """Log that the store failed, and return the message for the person."""
    cause = last_words(error) if isinstance(error, DBAPIError) else "no connection was free"
    log.warning("the store failed", path=request.url.path, error=cause)
    if isinstance(error, NoConnectionError):
        return "The desk is busy, so it did not act. Try again in a minute."
    return _AWAY if is_away(error) else cause


def address_of(request: Request) -> str:
    """The network address of the browser. Uvicorn takes it from a trusted proxy."""
    return request.client.host if request.client else ""


def is_built_in(user: LoggedIn) -> bool:
    return user.name == BUILT_IN
