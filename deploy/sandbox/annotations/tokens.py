"""The Auth Service: tokens for clients, by OAuth's client credentials grant.

Europeana's is a Keycloak. A token there is a JWT for the APIs to read; here it is a random text.
https://www.rfc-editor.org/rfc/rfc6749#section-4.4
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import NAMESPACE_URL, uuid5

from aiohttp import BasicAuth, web

from deploy.sandbox.api.refusals import RequestRefusedError

REALM = "/auth/realms/europeana"
TOKEN_PATH = f"{REALM}/protocol/openid-connect/token"
ClientRole = Literal["user", "publisher", "admin", "none"]


@dataclass(frozen=True)
class ApiClient:
    """A client of the Auth Service, and what it may do at the Annotation API."""

    id: str
    secret: str
    role: ClientRole = "publisher"

    @property
    def creator(self) -> str:
        """The URI of the client's user, which has an ID of its own."""
        return f"http://data.europeana.eu/user/{uuid5(NAMESPACE_URL, self.id)}"

    @property
    def generator(self) -> str:
        return f"https://api.europeana.eu/apikey/{self.id}"


def read_client(text: str) -> ApiClient:
    """The client in `ID:SECRET` or `ID:SECRET:ROLE`.

    Raises:
        ValueError: the text has another form, or the role is unknown.
    """
    match text.split(":"):
        case [name, secret] if name and secret:
            return ApiClient(name, secret)
        case [name, secret, "user" | "publisher" | "admin" | "none" as role] if name and secret:
            return ApiClient(name, secret, role)
    roles = ", ".join(get_args(ClientRole))
    raise ValueError(f"{text!r} is not ID:SECRET or ID:SECRET:ROLE (roles: {roles})")


class AuthService:
    """Gives out tokens that are valid for `seconds`."""

    def __init__(self, clients: Sequence[ApiClient], seconds: float) -> None:
        self._clients = {client.id: client for client in clients}
        self._seconds = seconds
        self._tokens: dict[str, tuple[ApiClient, float]] = {}  # in the order in which they end

    async def answer(self, request: web.Request) -> web.Response:
        """The handler of the token endpoint; credentials stand in the form or in HTTP Basic."""
        form = await request.post()
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "Unsupported grant_type")
        name, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
        if header := request.headers.get("Authorization"):
            try:
                name, secret, _ = BasicAuth.decode(header)
            except ValueError:
                return _refused(400, "invalid_request", "The Authorization header is not Basic")
        client = self._clients.get(name)
        if client is None or not secrets.compare_digest(client.secret.encode(), secret.encode()):
            return _refused(401, "invalid_client", "Invalid client or Invalid client credentials")
        return web.json_response(
            {
                "access_token": self._issue(client),
                "expires_in": int(self._seconds),
                "token_type": "Bearer",
            }
        )

    def client_of(self, request: web.Request) -> ApiClient:
        """The client whose valid token a request bears.

        Raises:
            RequestRefusedError: 401, it bears none.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        client, ends = self._tokens.get(token, (None, 0.0))
        if scheme.lower() != "bearer" or client is None or ends <= time.monotonic():
            raise RequestRefusedError(401, "The access token is missing, unknown or expired.")
        return client

    def end_tokens(self) -> None:
        """Ends all tokens now."""
        self._tokens.clear()

    def _issue(self, client: ApiClient) -> str:
        now = time.monotonic()
        for token, (_, ends) in list(self._tokens.items()):
            if ends > now:
                break
            self._tokens.pop(token, None)
        token = secrets.token_urlsafe(32)
        self._tokens[token] = client, now + self._seconds
        return token


def _refused(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
