"""The settings of all programs."""

from functools import cache

from pydantic.fields import FieldInfo

from common.process.settings.base import DeploymentSettings
from common.process.settings.desk import DeskSettings
from common.process.settings.services import (
    ApiSettings,
    BrokerSettings,
    ImageSettings,
    ModelSettings,
    PublisherSettings,
    StoreSettings,
    TrainerSettings,
)
from common.process.settings.worker import WorkerSettings

EVERY: tuple[type[DeploymentSettings], ...] = (
    StoreSettings,
    BrokerSettings,
    ApiSettings,
    ImageSettings,
    ModelSettings,
    WorkerSettings,
    TrainerSettings,
    DeskSettings,
    PublisherSettings,
)


@cache
def every_field() -> dict[str, FieldInfo]:
    return {name: field for each in EVERY for name, field in each.model_fields.items()}
