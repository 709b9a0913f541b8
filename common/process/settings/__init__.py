"""Deployment settings: environment variables, and the files `enrichment.toml` beside one's work.

One field is one setting. `every` lists the classes of all programs; the page
docs/reference/settings.md is made from them.
"""

from common.process.settings.base import DeploymentSettings, read_together
from common.process.settings.services import (
    ApiAddressSettings,
    ApiSettings,
    BrokerSettings,
    ExperimentSettings,
    HeatmapSettings,
    ImageSettings,
    ModelSettings,
    PublisherSettings,
    StoreSettings,
    TrainerSettings,
)

__all__ = [
    "ApiAddressSettings",
    "ApiSettings",
    "BrokerSettings",
    "DeploymentSettings",
    "ExperimentSettings",
    "HeatmapSettings",
    "ImageSettings",
    "ModelSettings",
    "PublisherSettings",
    "StoreSettings",
    "TrainerSettings",
    "read_together",
]
