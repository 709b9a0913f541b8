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
        default=None, description="touched every few seconds, read by `worker health`; else none"
    )


class WorkerSettings(ApiSettings, ImageSettings, ModelSettings, HealthSettings, HeatmapSettings):
    broker_url: SecretStr | None = Field(
        default=None, description=BROKER, examples=["redis://host:6379/0"]
    )

    worker_chunks_in_flight: int = Field(
        default_factory=lambda: available_cores() + max(1, available_cores() // 2),
        ge=1,
        le=1_000,
        description="chunks in work at a time: while some wait for hosts, others keep cores busy; "
        "and as many again of records that were put off; "
        f"a worker opens at most twice as many connections to Postgres, and "
        f"{BACKGROUND_CONNECTIONS} more",
    )
    worker_connections: int = Field(
        default=16, ge=1, le=1_000, description="downloads at a time, a chunk"
    )
    worker_batch_size: int | None = Field(
        default=None,
        ge=1,
        le=65_536,
        description="pictures classified together; else what suits the device",
    )
    worker_runtime: Literal["auto", "torch", "onnx"] = Field(
        default="auto", description="what computes; auto measures both and takes the faster"
    )
    worker_device: DeviceName = Field(
        default="auto",
        description="auto: the card with the fewest of our processes, else the CPU; cuda: the "
        "same, and without a card the worker ends; cuda:N: that card; cpu",
    )
    worker_cache_dir: Path | None = Field(
        default=None,
        description="keeps models in the form of other runtimes; else a folder in MODEL_DIR",
    )
    worker_metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="serves metrics to Prometheus; else none"
    )
    worker_metrics_address: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"),
        description="address of this machine that serves metrics; 0.0.0.0 for all, as in our image",
    )
    worker_grace_seconds: float = Field(
        default=25,
        ge=1,
        le=LONGEST,
        description="from SIGTERM to the end: chunks are finished, or given back in time",
    )
    worker_lease_seconds: float = Field(
        default=120,
        ge=2,
        le=LONGEST,
        description="a worker silent for this long has lost its chunk",
    )
    worker_ask_seconds: float = Field(
        default=5,
        ge=0.1,
        le=LONGEST,
        description="an idle worker looks for work so often, at least; a new job wakes it sooner",
    )
    worker_sweep_seconds: float = Field(
        default=5,
        ge=0.1,
        le=LONGEST,
        description="between two looks for chunks of lost workers",
    )
    worker_retry_delays: str = Field(
        default="60,600,3600,21600,57600",
        description="seconds before each new try of a record that failed for a passing reason",
    )

    @field_validator("worker_retry_delays")
    @classmethod
    def _are_seconds(cls, text: str) -> str:
        parts = [part.strip() for part in text.split(",")]
        if not all(part.isascii() and part.isdigit() for part in parts):
            raise ValueError("expected whole seconds with commas between them")
        if max(map(len, parts)) > len(str(LONGEST_DELAY)) or max(map(int, parts)) > LONGEST_DELAY:
            raise ValueError(f"a delay is at most {LONGEST_DELAY} seconds, which is a month")
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
