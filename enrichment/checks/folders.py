"""Whether the folders can be written to, and how full their disks are."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from common.errors import UsageError
from common.process.settings import (
    ExperimentSettings,
    HeatmapSettings,
    ImageSettings,
    ModelSettings,
)
from common.process.settings.desk import DeskSettings
from enrichment.checks.finding import Finding, Findings, ok, problem, warning

FOLDERS: dict[str, Callable[[], Path]] = {
    "IMAGE_DIR": lambda: ImageSettings.read().image_dir,
    "EXPERIMENT_DIR": lambda: ExperimentSettings.read().experiment_dir,
    "MODEL_DIR": lambda: ModelSettings.read().model_dir,
    "HEATMAP_DIR": lambda: HeatmapSettings.read().heatmap_dir,
    "DESK_CACHE_DIR": lambda: DeskSettings.read().desk_cache_dir,
}
_LEAST_FREE = 0.05  # of a disk, below which somebody should know


def check_folders() -> Findings:
    """Each folder of the settings."""
    for name, folder in FOLDERS.items():
        try:
            yield _check(name, folder())
        except UsageError as error:
            yield problem("folders", name, str(error), "Correct the setting.")


def _check(name: str, folder: Path) -> Finding:
    """A folder that is not there yet is made when it is needed, so what is above it counts."""
    above = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if not above.is_dir():
        return problem("folders", name, f"{above} is a file", f"Choose another folder: {name}.")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        found = f"{folder} cannot be written to: {error.strerror}"
        return problem("folders", name, found, f"Allow it to this user, or set {name}.")
    disk = shutil.disk_usage(above)
    there = str(folder.absolute()) if above == folder.absolute() else f"{folder} is not made yet"
    found = f"{there}; {disk.free / 1e9:,.1f} GB of {disk.total / 1e9:,.1f} GB are free"
    if disk.free < _LEAST_FREE * disk.total:
        return warning("folders", name, found, "Make room, or choose another folder.")
    return ok("folders", name, found)
