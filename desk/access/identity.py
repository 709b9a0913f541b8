"""Logins with an OpenID Connect provider: the authorization code flow with PKCE, state and nonce.

State, nonce and verifier are derived from one random cookie. So only the browser that began a
login can finish it, the desk stores no state, and it needs no secret key.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jws import JWSRegistry

from common.errors import LoginRefusedError, UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role
from desk.access.accounts import check_subject
from desk.access.provider import TIMEOUT, Discovery

BACK = "/login/identity/back"  # the provider sends people here after the login
SCOPE = "openid profile"
_LEEWAY = 60  # seconds that clocks may differ
_NAMES = ("name", "preferred_username", "email")
_CODE_OF_ERROR = re.compile(r"[a-z_]{1,40}")
_LONGEST_CODE = 4096  # characters
_LONGEST_ROLES = 1000  # roles in the list of a claim
_BEGIN_AGAIN = "Begin the login again."


@dataclass(frozen=True, kw_only=True)
class Departure:
    """The address at the provider to send the browser to, and the cookie for the way back."""

    address: str
    cookie: str


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person as the provider describes them. `role` is None if the settings name no claim."""

    subject: str
    name: str
    role: Role | None


class IdentityProvider:
    """The provider that the settings name. Threads may share it."""

    def __init__(self, settings: AccessSettings) -> None:
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            raise UsageError("Set OIDC_ISSUER and OIDC_CLIENT_ID to log in with a provider.")
        self._issuer = settings.oidc_issuer
        self._client = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._role_claim = settings.oidc_role_claim
        self._discovery = Discovery(self._issuer)

    def begin(self, *, origin: str) -> Departure:
        """Begin a login.

        Args:
            origin: the origin of the desk's pages.

        Raises:
            LoginRefusedError: the provider cannot be reached, or its answer is not valid.
        """
        cookie = secrets.token_urlsafe(32)
        place = self._discovery.places().authorization
        with self._session(origin) as session:
            address, _ = session.create_authorization_url(
                place,
                state=_derived("state", cookie),
                code_verifier=_derived("verifier", cookie),
                nonce=_derived("nonce", cookie),
            )
        return Departure(address=str(address), cookie=cookie)

    def check_return(self, *, cookie: str | None, answer: Mapping[str, str]) -> str:
        """Check that this browser began the login, before asking the provider.

        Returns:
            The cookie of the departure.

        Raises:
            LoginRefusedError: the browser has no such cookie, or another provider answered.
        """
        if not cookie or not hmac.compare_digest(
            _derived("state", cookie).encode(),
            answer.get("state", "").encode("utf-8", "surrogatepass"),
        ):
            raise LoginRefusedError(
                f"The login took too long, or it began in another browser. {_BEGIN_AGAIN}"
            )
        if answer.get("iss", self._issuer) != self._issuer:
            raise LoginRefusedError(f"Another identity provider answered. {_BEGIN_AGAIN}")
        return cookie

    def finish(self, *, origin: str, cookie: str | None, answer: Mapping[str, str]) -> Identity:
        """Finish a login and return the person.

        Args:
            origin: the origin of the desk's pages, as at the departure.
            cookie: the cookie of the departure.
            answer: the parameters of the address that the provider sent the browser to.

        Raises:
            LoginRefusedError: another browser began the login, the provider refused it, or the
                provider's answer is not valid.
        """
        cookie = self.check_return(cookie=cookie, answer=answer)
        code = answer.get("code", "")
        if not code or len(code) > _LONGEST_CODE:
            raise self._discovery.refusal(f"refused the login{_said(answer.get('error'))}")
        token = self._redeem(code, origin=origin, cookie=cookie)
        return self._identity(self._claims(token, nonce=_derived("nonce", cookie)))

    def _session(self, origin: str) -> OAuth2Session:
        places = self._discovery.places()
        way = "client_secret_basic" if places.takes_basic else "client_secret_post"
        secret = self._secret.get_secret_value() if self._secret is not None else None
        return OAuth2Session(
            client_id=self._client,
            client_secret=secret,
            token_endpoint_auth_method=way if secret else "none",
            scope=SCOPE,
            redirect_uri=f"{origin}{BACK}",
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )

    def _redeem(self, code: str, *, origin: str, cookie: str) -> Mapping[str, Any]:
        place = self._discovery.places().token
        try:
            with self._session(origin) as session:
                return dict(
                    session.fetch_token(
                        place,
                        code=code,
                        grant_type="authorization_code",
                        code_verifier=_derived("verifier", cookie),
                        allow_redirects=False,
                    )
                )
        except AuthlibBaseError as error:  # its text may quote the provider's answer
            why = f"refused the login{_said(error.error)}; check OIDC_CLIENT_ID and its secret"
            raise self._discovery.refusal(why) from None
        except (requests.RequestException, ValueError, RecursionError):  # may quote the code
            why = "gave an answer that is not valid; try again later"
            raise self._discovery.refusal(why) from None

    def _claims(self, token: Mapping[str, Any], *, nonce: str) -> Mapping[str, Any]:
        signed = token.get("id_token")
        if not isinstance(signed, str):
            raise self._discovery.refusal("does not say who logged in")
        try:
            read = self._decode(signed)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client},
                },
                {
                    "nonce": nonce,
                    "client_id": self._client,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise self._discovery.refusal(
                "sent a person's identity without a valid signature"
            ) from error
        return dict(claims)

    def _decode(self, signed: str) -> jwt.Token:
        registry = JWSRegistry(
            algorithms=list(self._discovery.places().algorithms), strict_check_header=False
        )
        try:
            return jwt.decode(signed, self._discovery.keys(), registry=registry)
        except InvalidKeyIdError:
            return jwt.decode(signed, self._discovery.keys(fresh=True), registry=registry)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        subject = str(claims["sub"])
        try:
            check_subject(subject)
        except UsageError as error:
            raise self._discovery.refusal(
                "sent the name of the person in an unknown form"
            ) from error
        names = (claims.get(name) for name in _NAMES)
        name = next((name for name in names if isinstance(name, str) and name), "")
        return Identity(subject=subject, name=name, role=self._role(claims))

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest role that the claim names."""
        if self._role_claim is None:
            return None
        said = claims.get(self._role_claim)
        listed = said[:_LONGEST_ROLES] if isinstance(said, list) else [said]
        return next((role for role in reversed(Role) if role in listed), None)


def _derived(what: str, cookie: str) -> str:
    """43 characters from which the cookie cannot be computed."""
    digest = sha256(f"{what}:{cookie}".encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _said(code: object) -> str:
    """The code of an error for a message; empty if it may be a text of a stranger."""
    return f" ({code})" if isinstance(code, str) and _CODE_OF_ERROR.fullmatch(code) else ""
