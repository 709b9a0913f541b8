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
        description="Address of Postgres: postgresql://user:password@host/database",
        examples=["postgresql://user:password@host/database"],
    )


BROKER = (
    "Address of the broker: redis://host:6379/0, redis+socket:///path or amqp://. The broker "
    "brings lists of records from other systems, and messages about new folds. With rediss:// "
    "and amqps://, the certificate is checked. For your own certificate authority, add "
    "?ssl_ca_certs=FILE. To switch the check off, add ?ssl_cert_reqs=none."
)


class BrokerSettings(DeploymentSettings):
    broker_url: SecretStr = Field(description=BROKER, examples=["redis://host:6379/0"])


class ApiAddressSettings(DeploymentSettings):
    europeana_api_url: str = Field(
        default="https://api.europeana.eu",
        description=(
            "Address of the APIs and thumbnails of Europeana. The sandbox has a different address."
        ),
    )

    @field_validator("europeana_api_url")
    @classmethod
    def _is_an_api(cls, url: str) -> str:
        if split_address(url) is None:
            raise ValueError("expected an address such as https://api.europeana.eu")
        return url


class ApiSettings(ApiAddressSettings):
    europeana_api_key: SecretStr = Field(
        description="Your key for the APIs. The key is never stored or logged. Get a key at "
        "https://apis.europeana.eu",
    )


class PublicPagesSettings(DeploymentSettings):
    public_url: str | None = Field(
        default=None,
        description="Address of `desk serve --public`. At this address, everyone can see the "
        "origin of statements. Annotations link to this address.",
    )

    @field_validator("public_url")
    @classmethod
    def _is_public(cls, url: str | None) -> str | None:
        if url is not None and split_address(url) is None:
            raise ValueError("expected an address such as https://statements.museum.example")
        return url and url.rstrip("/")


class PublisherSettings(ApiSettings, PublicPagesSettings):
    europeana_auth_url: str = Field(
        description="Address of the service that gives out tokens for the Annotation API: "
        "https://auth.europeana.eu/auth/realms/europeana",
        examples=["https://auth.europeana.eu/auth/realms/europeana"],
    )
    europeana_client_id: str = Field(
        description="ID of the client that Europeana gave you with the write access.",
        examples=["my-museum"],
    )
    europeana_client_secret: SecretStr = Field(
        description="Password of this client. The password is never stored or logged."
    )
    publish_per_second: int = Field(
        default=5,
        ge=1,
        le=1_000,
        description=(
            "Maximum number of changed annotations per second, for all publishers together."
        ),
    )
    publish_patience: float = Field(
        default=60.0,
        ge=1.0,
        le=3_600.0,
        description="If the answer to a new annotation was lost, the publisher searches for the "
        "annotation after this number of seconds. Europeana's index needs this time.",
    )

    @field_validator("europeana_auth_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        if not is_safe_place(url):
            raise ValueError(
                "the address must begin with https, because it gets the secret; http is "
                "allowed for localhost only"
            )
        return url.rstrip("/")


class ImageSettings(ApiAddressSettings):
    image_dir: Path = Field(default=Path("image_store"), description="Folder for pictures.")
    fetch_contact: str = Field(
        default="https://github.com/europeana",
        description=(
            "Web page or e-mail address in the header User-Agent. Operators of image hosts can "
            "use this address to contact you."
        ),
    )
    fetch_allow_addresses: str = Field(
        default="",
        description="Private networks from which pictures may be fetched. Separate networks with "
        "commas: 127.0.0.0/8,10.0.0.0/8",
    )
    fetch_requests_per_second: float = Field(
        default=4.0,
        ge=SLOWEST,
        le=FASTEST,
        description=(
            "Maximum number of requests per second to one image host. If the host complains, "
            "the program sends fewer requests."
        ),
    )
    fetch_requests_at_a_time: int = Field(
        default=2,
        ge=1,
        le=1_000,
        description="Maximum number of requests at the same time to one image host.",
    )
    fetch_per_address_factor: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="The limits of an IP address are the limits of one image host, multiplied by "
        "this number. Several image hosts may have the same IP address.",
    )
    fetch_thumbnails_per_second: float = Field(
        default=50.0,
        ge=SLOWEST,
        le=FASTEST,
        description="Maximum number of thumbnails per second from Europeana, for all workers "
        "together. If Europeana allows more requests, use a higher number: bulk jobs are then "
        "faster.",
    )


class ModelSettings(DeploymentSettings):
    model_dir: Path = Field(default=Path("models"), description="Folder for promoted models.")


class HeatmapSettings(DeploymentSettings):
    heatmap_dir: Path = Field(
        default=Path("heatmaps"),
        description=(
            "Folder for the heatmaps of jobs with --explain. `worker tidy` removes unused heatmaps."
        ),
    )


class TrainerSettings(DeploymentSettings):
    trainer_device: DeviceName = Field(
        default="auto",
        description=(
            "Device for training, with the same values as `WORKER_DEVICE`. If you give "
            "`--devices`, this setting is ignored."
        ),
    )


class ExperimentSettings(DeploymentSettings):
    experiment_dir: Path = Field(
        default=Path("experiments"),
        description="Folder of the experiments. The desk shows the reports in this folder.",
    )
