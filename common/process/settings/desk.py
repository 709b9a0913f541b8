"""The settings of the desk: its address, the identity provider that it asks, and what it keeps."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyAddress, SecretStr, ValidationInfo, field_validator

from common.process.settings.base import DeploymentSettings
from common.process.settings.services import (
    ExperimentSettings,
    HeatmapSettings,
    ImageSettings,
    ModelSettings,
    PublicPagesSettings,
)
from common.process.web_addresses import is_safe_place, origin, split_address


class AccessSettings(DeploymentSettings):
    desk_url: str | None = Field(
        default=None,
        description="Address at which people open the desk: https://desk.museum.example. Without "
        "this address, only this machine can use the desk.",
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="Address of an identity provider (OpenID Connect), with which people may log "
        "in. Register DESK_URL/login/identity/back at the identity provider.",
    )
    oidc_client_id: str | None = Field(
        default=None, validate_default=True, description="ID of the desk at the identity provider."
    )
    oidc_client_secret: SecretStr | None = Field(
        default=None,
        description="Password of the desk at the identity provider. Some identity providers give "
        "no password.",
    )
    oidc_role_claim: str | None = Field(
        default=None,
        description="Name of the claim in the ID token that contains the role (viewer, reviewer, "
        "operator) or a list of roles. With this setting, the identity provider decides the "
        "role at each login.",
    )
    oidc_default_role: Literal["viewer", "reviewer", "operator"] | None = Field(
        default=None,
        description=(
            "Role of people who log in with the identity provider but have no account at the "
            "desk. Default: people without an account cannot log in."
        ),
    )

    @field_validator("desk_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = split_address(url)
        if parts is None or parts.path not in ("", "/") or parts.query:
            raise ValueError("expected scheme and host only, as in https://desk.museum.example")
        if not is_safe_place(url):
            raise ValueError(
                "the address must begin with https, because it gets passwords; http is "
                "allowed for localhost only"
            )
        return origin(url)

    @field_validator("oidc_issuer")
    @classmethod
    def _is_an_issuer(cls, url: str | None) -> str | None:
        if url is not None:
            parts = split_address(url)
            if parts is None or parts.query or not is_safe_place(url):
                raise ValueError("expected an https address such as https://login.museum.example")
        return url

    @field_validator("oidc_client_id")
    @classmethod
    def _has_a_client(cls, client: str | None, info: ValidationInfo) -> str | None:
        if client is None and info.data.get("oidc_issuer") is not None:
            raise ValueError("needed, because OIDC_ISSUER is set")
        return client

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the desk by https: cookies are then sent by no other way."""
        return self.desk_url is not None and self.desk_url.startswith("https:")

    @property
    def host(self) -> str | None:
        return urlsplit(self.desk_url).hostname if self.desk_url else None

    def origin_for(self, host: str) -> str:
        """The origin of the desk's pages; without DESK_URL that of the header Host, if checked."""
        return self.desk_url or origin(f"http://{host}")


class DeskSettings(
    AccessSettings,
    PublicPagesSettings,
    ImageSettings,
    ModelSettings,
    HeatmapSettings,
    ExperimentSettings,
):
    desk_institution: str | None = Field(
        default=None, max_length=200, description="Name of your institution, for certificates."
    )
    desk_cache_dir: Path = Field(
        default=Path("desk_cache"), description="Folder for the pictures that pages show."
    )
    desk_cache_bytes: int = Field(
        default=2_000_000_000,
        ge=10_000_000,
        le=10**15,
        description=(
            "Maximum size of DESK_CACHE_DIR, in bytes. The desk removes old pictures first."
        ),
    )
    desk_connections: int = Field(
        default=10,
        ge=2,
        le=100,
        description=(
            "Number of connections of a desk process to Postgres. Each process also has one "
            "connection that checks whether Postgres answers."
        ),
    )
    desk_metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port for the metrics of Prometheus. Default: no metrics.",
    )
    desk_metrics_address: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"),
        description=(
            "Address of this machine at which metrics are available. 0.0.0.0 means all addresses."
        ),
    )
