"""The settings of the worker."""

from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyAddress, SecretStr, ValidationInfo, field_validator

from common.process.cores import available_cores
from common.process.settings.base import DeploymentSettings
from common.process.settings.services import (
    BROKER,
    ApiSettings,
    DeviceName,
    HeatmapSettings,
    ImageSettings,
    ModelSettings,
)

LONGEST = 86_400  # seconds of a setting: a day
LONGEST_DELAY = 30 * 86_400  # seconds until a record is tried again
TAKE_A_CARD = ("auto", "torch")  # of the runtimes; all others compute on the CPU
# two that ask, sweep, leases, host shares, needs, presence, store gauges, listener, taken lists
BACKGROUND_CONNECTIONS = 10


class HealthSettings(DeploymentSettings):
    worker_heartbeat_file: Path | None = Field(
        default=None,
        description=(
            "File for `worker health`. The worker updates this file every few seconds. Default: "
            "no file."
        ),
    )


class WorkerSettings(ApiSettings, ImageSettings, ModelSettings, HealthSettings, HeatmapSettings):
    broker_url: SecretStr | None = Field(
        default=None, description=BROKER, examples=["redis://host:6379/0"]
    )

    worker_chunks_in_flight: int = Field(
        default_factory=lambda: available_cores() + max(1, available_cores() // 2),
        ge=1,
        le=1_000,
        description="Number of chunks (groups of up to 256 records) that a worker processes at "
        "the same time. The worker can process the same number of chunks with records that "
        "were put off. The maximum number of connections to Postgres is "
        f"2 × WORKER_CHUNKS_IN_FLIGHT + {BACKGROUND_CONNECTIONS}.",
    )
    worker_connections: int = Field(
        default=16,
        ge=1,
        le=1_000,
        description="Number of downloads at the same time, for each chunk.",
    )
    worker_batch_size: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description=(
            "Number of pictures that the model computes together. Default: a number that fits "
            "the device."
        ),
    )
    worker_runtime: Literal["auto", "torch", "onnx"] = Field(
        default="auto",
        description=(
            "Library that computes the model. auto: the worker measures both libraries, and uses "
            "the faster library."
        ),
    )
    worker_device: DeviceName = Field(
        default="auto",
        description="auto: the GPU with the fewest of our processes; without a GPU, the CPU. "
        "cuda: the same GPU; without a GPU, the worker ends. cuda:N: the GPU with the number N. "
        "cpu: the CPU.",
    )
    worker_cache_dir: Path | None = Field(
        default=None,
        description="Folder for models in the format of ONNX Runtime. Default: a folder in "
        "MODEL_DIR.",
    )
    worker_metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port for the metrics of Prometheus. Default: no metrics.",
    )
    worker_metrics_address: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"),
        description=(
            "Address of this machine at which metrics are available. 0.0.0.0 means all addresses."
        ),
    )
    worker_grace_seconds: float = Field(
        default=25,
        ge=1,
        le=LONGEST,
        description=(
            "Seconds between SIGTERM and the end of the process. In this time, the worker "
            "finishes its chunks or gives them back."
        ),
    )
    worker_lease_seconds: float = Field(
        default=120,
        ge=2,
        le=LONGEST,
        description="If a worker sends no report in this number of seconds, it loses its chunks.",
    )
    worker_ask_seconds: float = Field(
        default=5,
        ge=0.1,
        le=LONGEST,
        description=(
            "Maximum number of seconds until an idle worker looks for work again. If there is a "
            "new job, the worker looks for work earlier."
        ),
    )
    worker_sweep_seconds: float = Field(
        default=5,
        ge=0.1,
        le=LONGEST,
        description="Seconds between two searches for chunks of lost workers.",
    )
    worker_retry_delays: str = Field(
        default="60,600,3600,21600,57600",
        description=(
            "If a failure may be temporary, the record is tried again after these numbers of "
            "seconds."
        ),
    )

    @field_validator("worker_retry_delays")
    @classmethod
    def _are_seconds(cls, text: str) -> str:
        parts = [part.strip() for part in text.split(",")]
        if not all(part.isascii() and part.isdigit() for part in parts):
            raise ValueError("expected whole seconds separated by commas")
        if max(map(len, parts)) > len(str(LONGEST_DELAY)) or max(map(int, parts)) > LONGEST_DELAY:
            raise ValueError(f"a delay can be at most {LONGEST_DELAY} seconds (one month)")
        return text

    @field_validator("worker_device")
    @classmethod
    def _is_where_the_runtime_computes(cls, device: str, info: ValidationInfo) -> str:
        runtime = info.data.get("worker_runtime", "auto")
        if device.startswith("cuda") and runtime not in TAKE_A_CARD:
            raise ValueError(f"WORKER_RUNTIME={runtime} computes on the CPU; choose torch or auto")
        return device

    @property
    def computes_on(self) -> str:
        return self.worker_device if self.worker_runtime in TAKE_A_CARD else "cpu"

    @property
    def store_connections(self) -> int:
        """To Postgres, at most: one for each chunk in work, fresh or put off, and a few more."""
        return 2 * self.worker_chunks_in_flight + BACKGROUND_CONNECTIONS

    @cached_property
    def retry_delays(self) -> tuple[float, ...]:
        return tuple(float(part) for part in self.worker_retry_delays.split(","))
