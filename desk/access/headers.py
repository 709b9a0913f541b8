"""The security headers of every answer, and the check of the name in the request.

The desk refuses a request under another name than its own. Else a stranger's name server could
give a name this machine's address, and scripts of the stranger's page could read the desk (DNS
rebinding). Without DESK_URL the desk serves only this machine, so it also refuses proxies.
"""

import re
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common.process.settings.desk import AccessSettings
from common.process.web_addresses import is_loopback

HEALTH = "/healthz"  # for probes, under any name; it says only that the process answers
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",  # a login with the provider begins with a link, not a form
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_OF_ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms have the origin "null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_UNLESS_SAID = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_A_YEAR = "max-age=31536000"
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::(?P<port>\d{1,5}))?")


class Guard:
    """An ASGI application around another one. It checks names and adds headers.

    If an answer has its own Content-Security-Policy or Cache-Control, it keeps them.

    Args:
        is_public: the application shows only what everyone may read, so any name is right.
    """

    def __init__(self, app: ASGIApp, *, settings: AccessSettings, is_public: bool = False) -> None:
        self._app = app
        self._settings = settings
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"] == HEALTH:
            await PlainTextResponse("ok\n")(scope, receive, send)
            return
        send = self._adding_headers(send)
        if not self._is_public and not self._is_our_name(Headers(scope=scope)):
            await self._refuse_name(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_our_name(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None or int(found["port"] or 0) > 65_535:
            return False
        host = found["name"].strip("[]").lower()
        if self._settings.desk_url is None and any(name in headers for name in _OF_PROXIES):
            return False
        return is_loopback(host) or host == self._settings.host

    async def _refuse_name(self, scope: Scope, receive: Receive, send: Send) -> None:
        where = self._settings.desk_url or "http://localhost and its port"
        message = f"The desk does not answer under this name. Open it as {where}."
        if self._settings.desk_url is None:
            message += " Set DESK_URL to the address under which people open it."
        await PlainTextResponse(message, 421)(scope, receive, send)

    def _adding_headers(self, send: Send) -> Send:
        is_https = self._settings.is_https

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_OF_ALL)
                if is_https:
                    headers["Strict-Transport-Security"] = _A_YEAR
                for name, value in _UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        return adding
