"""Deployment settings that at least two services share, from environment variables."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.errors import UsageError


class EnvironmentSettings(BaseSettings):
    """Base of the settings class of each package: one field is one environment variable."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    @classmethod
    def read(cls) -> Self:
        """Read the settings from the environment.

        Raises:
            UsageError: a variable is missing or malformed; names it, never shows its value.
        """
        try:
            return cls()
        except ValidationError as error:
            wrong = "; ".join(
                f"{str(part['loc'][0]).upper()}: {part['msg'].lower()}"
                for part in error.errors(include_input=False)
            )
            # The cause quotes every variable, the secret ones too.
            raise UsageError(f"Check the environment variables: {wrong}.") from None


class StoreSettings(EnvironmentSettings):
    """Where the store is."""

    database_url: SecretStr = Field(description="postgresql://user:password@host/database")


class BrokerSettings(EnvironmentSettings):
    """Where the message broker is."""

    broker_url: SecretStr = Field(
        description="redis://host:6379/0, redis+socket:///path or amqp://"
    )


class ApiAddressSettings(EnvironmentSettings):
    """Where the Europeana APIs are."""

    europeana_api_url: str = Field(
        default="https://api.europeana.eu",
        description="address of the APIs and of the thumbnails; the sandbox has another",
    )


class ApiSettings(ApiAddressSettings):
    """How the Europeana APIs are reached."""

    europeana_api_key: SecretStr = Field(description="sent as X-Api-Key, never stored or logged")


class ImageSettings(ApiAddressSettings):
    """How pictures are fetched and where they are kept."""

    image_dir: Path = Field(default=Path("image_store"), description="where pictures are kept")
    fetch_contact: str = Field(
        default="https://github.com/europeana",
        description="page or address in the User-Agent, for hosts that want to reach you",
    )
    fetch_allow_addresses: str = Field(
        default="",
        description="networks that may be fetched from although they are not public, with commas "
        "between them: 127.0.0.0/8",
    )
    fetch_requests_per_second: float = Field(
        default=4.0, gt=0, description="to one image host; a host that complains gets fewer"
    )
    fetch_requests_at_a_time: int = Field(default=2, gt=0, description="to one image host")
    fetch_per_address_factor: int = Field(
        default=4,
        gt=0,
        description="how many times the limits of one image host an IP address gets, which many "
        "hosts may share",
    )
    fetch_thumbnails_per_second: float = Field(
        default=50.0,
        gt=0,
        description="from Europeana, all workers together: what bulk jobs are bound by; raise it "
        "if you may",
    )


class ModelSettings(EnvironmentSettings):
    """Where promoted models are kept."""

    model_dir: Path = Field(default=Path("models"), description="where promoted models are kept")
