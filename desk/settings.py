"""The settings of the desk, from environment variables."""

from pathlib import Path

from pydantic import Field

from common.process.settings import ImageSettings, ModelSettings
from desk.access.settings import AccessSettings
from worker.process.settings import HeatmapSettings


class DeskSettings(AccessSettings, ImageSettings, ModelSettings, HeatmapSettings):
    """All settings of a desk process; read once, at its start."""

    desk_cache_dir: Path = Field(
        default=Path("desk_cache"), description="keeps small pictures that pages show"
    )
    desk_cache_bytes: int = Field(
        default=2_000_000_000,
        ge=10_000_000,
        description="how much of them is kept; the ones unused for longest go first",
    )
    experiment_dir: Path = Field(
        default=Path("experiments"), description="where trainings are, whose reports the desk shows"
    )
    desk_connections: int = Field(
        default=10, ge=2, le=100, description="to Postgres, of a desk process"
    )
