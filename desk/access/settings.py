"""Under which address the desk is, and the identity provider that it asks, from the environment."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from common.process.settings import EnvironmentSettings
from common.store.tables import Role

_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether a host, named without its port, is this machine whatever a name server says."""
    name = host.strip("[]").lower().removesuffix(".")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_safe_place(url: str) -> bool:
    """Whether a URL may carry secrets: by https, or to this machine."""
    parts = _split(url)
    return parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname or ""))


def origin(url: str) -> str:
    """Scheme, host and port of a checked URL, as browsers write them in the header Origin."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode("ascii")
    shown = f"[{host}]" if ":" in host else host
    usual = parts.port in (None, _PORTS[parts.scheme])
    return f"{parts.scheme}://{shown}" if usual else f"{parts.scheme}://{shown}:{parts.port}"


class AccessSettings(EnvironmentSettings):
    """Where the desk is for its users, and who tells who they are."""

    desk_url: str | None = Field(
        default=None,
        description="address under which people open the desk: https://desk.museum.example; "
        "without one it answers to this machine alone",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="address of an OpenID Connect provider that people may log in with; its login "
        "comes back to DESK_URL/login/identity/back",
    )
    oidc_client_id: str | None = Field(
        default=None, validate_default=True, description="how the provider knows the desk"
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="the desk's password at the provider, if it has one"
    )
    oidc_role_claim: str | None = Field(
        default=None,
        description="claim of the ID token that names the role (viewer, reviewer, operator), or a "
        "list with it; the provider then decides at each login",
    )
    oidc_default_role: Role | None = Field(
        default=None,
        description="role of who comes from the provider and was not added; else they are refused",
    )

    @field_validator("desk_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = _split(url)
        if parts is None or parts.path not in ("", "/") or parts.query:
            raise ValueError("expected scheme and host only, as in https://desk.museum.example")
        if not is_safe_place(url):
            raise ValueError("expected https, since passwords go there; http is for localhost")
        return origin(url)

    @field_validator("oidc_issuer")
    @classmethod
    def _is_an_issuer(cls, url: str | None) -> str | None:
        if url is not None:
            parts = _split(url)
            if parts is None or parts.query or not is_safe_place(url):
                raise ValueError("expected an https address such as https://login.museum.example")
        return url

    @field_validator("oidc_client_id")
    @classmethod
    def _has_a_client(cls, client: str | None, info: ValidationInfo) -> str | None:
        if client is None and info.data.get("oidc_issuer") is not None:
            raise ValueError("needed where OIDC_ISSUER is set")
        return client

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the desk by https: cookies are then sent by no other way."""
        return self.desk_url is not None and self.desk_url.startswith("https:")

    @property
    def host(self) -> str | None:
        """The host of the desk's address, without its port."""
        return urlsplit(self.desk_url).hostname if self.desk_url else None

    def origin_for(self, host: str) -> str:
        """The origin of the desk's pages; without DESK_URL that of the header Host, if checked."""
        return self.desk_url or origin(f"http://{host}")


def _split(url: str) -> SplitResult | None:
    """A URL in its parts; none if it is no plain http(s) address with a host."""
    try:
        parts = urlsplit(url)
        plain = parts.port != 0 and parts.hostname and origin(url)
    except (ValueError, KeyError, UnicodeError):
        return None
    strange = parts.username is not None or parts.fragment or not url.isprintable() or " " in url
    return None if strange or not plain else parts
