"""The cookies of the desk. Scripts cannot read them, and forms of other sites do not send them.

Over HTTPS their names begin with `__Host-`, so browsers accept them only from this host.
"""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

_VALUE = re.compile(r"[A-Za-z0-9_.~%-]{1,3000}")
_DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Cookie:
    """A cookie that lasts `seconds`, or as long as the browser is open."""

    name: str
    seconds: int | None
    is_https: bool

    def read(self, request: Request) -> str | None:
        """The value that the browser sends; None if it is missing or was never given."""
        value = request.cookies.get(self.name)
        return value if value and _VALUE.fullmatch(value) else None

    def give(self, response: Response, value: str) -> None:
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the cookie {self.name} cannot hold this value")
        self._set(response, value, self.seconds)

    def remove(self, response: Response) -> None:
        self._set(response, "", 0)

    def _set(self, response: Response, value: str, seconds: int | None) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=seconds,
            path="/",
            secure=self.is_https,
            httponly=True,
            samesite="lax",
        )


@dataclass(frozen=True, kw_only=True)
class Cookies:
    """All cookies of the desk.

    `session` has the token of a session. `form` gives the word of forms before there is a session.
    `departure` is for the way to the identity provider and back. `browser` shows that an account
    logged in here before.
    """

    session: Cookie
    form: Cookie
    departure: Cookie
    browser: Cookie

    @classmethod
    def of(cls, *, is_https: bool) -> "Cookies":
        prefix = "__Host-" if is_https else ""

        def named(name: str, seconds: int | None) -> Cookie:
            return Cookie(name=f"{prefix}{name}", seconds=seconds, is_https=is_https)

        return cls(
            session=named("desk", None),
            form=named("desk-form", None),
            departure=named("desk-departure", 600),
            browser=named("desk-browser", 180 * _DAY),
        )
