"""Settings that at least two programs share: where services and folders are."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator

from common.process.settings.base import DeploymentSettings
from common.process.web_addresses import is_safe_place, split_address

SLOWEST, FASTEST = 0.01, 10_000  # requests a second


def device_name(text: str) -> str:
    """The name of a device, as it is.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", text):
        raise ValueError("it must be auto, cpu, cuda, or a card such as cuda:0")
    return text


DeviceName = Annotated[str, AfterValidator(device_name)]


class StoreSettings(DeploymentSettings):
    database_url: SecretStr = Field(
        description="where Postgres is: postgresql://user:password@host/database",
        examples=["postgresql://user:password@host/database"],
    )


BROKER = (
    "where lists of other systems and hints at folds come from: redis://host:6379/0, "
    "redis+socket:///path or amqp://; rediss:// and amqps:// check the certificate, of an "
    "authority of your own by ?ssl_ca_certs=FILE; ?ssl_cert_reqs=none checks nothing"
)


class BrokerSettings(DeploymentSettings):
    broker_url: SecretStr = Field(description=BROKER, examples=["redis://host:6379/0"])


class ApiAddressSettings(DeploymentSettings):
    europeana_api_url: str = Field(
        default="https://api.europeana.eu",
        description="address of the APIs and of the thumbnails; the sandbox has another",
    )

    @field_validator("europeana_api_url")
    @classmethod
    def _is_an_api(cls, url: str) -> str:
        if split_address(url) is None:
            raise ValueError("expected an address such as https://api.europeana.eu")
        return url


class ApiSettings(ApiAddressSettings):
    europeana_api_key: SecretStr = Field(
        description="sent as X-Api-Key, never stored or logged; get one at "
        "https://apis.europeana.eu",
    )


class PublicPagesSettings(DeploymentSettings):
    public_url: str | None = Field(
        default=None,
        description="address of `desk serve --public`, where anyone reads where a statement comes "
        "from; annotations then link to it",
    )

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, url: str | None) -> str | None:
        if url is not None and split_address(url) is None:
            raise ValueError("expected an address such as https://statements.museum.example")
        return url and url.rstrip("/")


class PublisherSettings(ApiSettings, PublicPagesSettings):
    europeana_auth_url: str = Field(
        description="issuer of tokens that may write annotations, which Europeana tells you with "
        "the write access: https://auth.europeana.eu/auth/realms/europeana",
        examples=["https://auth.europeana.eu/auth/realms/europeana"],
    )
    europeana_client_id: str = Field(
        description="the client that Europeana gave you with the write access",
        examples=["my-museum"],
    )
    europeana_client_secret: SecretStr = Field(
        description="the password of that client, never stored or logged"
    )
    publish_per_second: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description="requests that change annotations, of all publishers together, in any second",
    )
    publish_patience: float = Field(
        default=60.0,
        ge=1.0,
        le=3_600.0,
        description="seconds until an annotation whose answer was lost is looked for; Europeana's "
        "index needs time",
    )

    @field_validator("europeana_auth_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        if not is_safe_place(url):
            raise ValueError("expected https, since the secret goes there; http is for localhost")
        return url.rstrip("/")


class ImageSettings(ApiAddressSettings):
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
        default=4.0,
        ge=SLOWEST,
        le=FASTEST,
        description="to one image host; a host that complains gets fewer",
    )
    fetch_requests_at_a_time: int = Field(
        default=2, ge=1, le=1_000, description="to one image host"
    )
    fetch_per_address_factor: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="how many times the limits of one image host an IP address gets, which many "
        "hosts may share",
    )
    fetch_thumbnails_per_second: float = Field(
        default=50.0,
        ge=SLOWEST,
        le=FASTEST,
        description="from Europeana, all workers together: what bulk jobs are bound by; raise it "
        "if you may",
    )


class ModelSettings(DeploymentSettings):
    model_dir: Path = Field(default=Path("models"), description="where promoted models are kept")


class HeatmapSettings(DeploymentSettings):
    heatmap_dir: Path = Field(
        default=Path("heatmaps"),
        description="where jobs with --explain keep heatmaps; `worker tidy` removes unused ones",
    )


class TrainerSettings(DeploymentSettings):
    trainer_device: DeviceName = Field(
        default="auto", description="as `WORKER_DEVICE`; `--devices` goes before it"
    )


class ExperimentSettings(DeploymentSettings):
    experiment_dir: Path = Field(
        default=Path("experiments"), description="where trainings are, whose reports the desk shows"
    )
