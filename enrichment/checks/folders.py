"""Whether the folders can be written to, and how full their disks are."""

import shutil
import tempfile
from pathlib import Path

from common.process.settings import (
    ExperimentSettings,
    HeatmapSettings,
    ImageSettings,
    ModelSettings,
)
from common.process.settings.base import DeploymentSettings, wrong_values
from common.process.settings.desk import DeskSettings
from enrichment.checks.finding import Finding, Findings, not_checked, ok, problem, warning

FOLDERS: dict[str, type[DeploymentSettings]] = {
    "IMAGE_DIR": ImageSettings,
    "EXPERIMENT_DIR": ExperimentSettings,
    "MODEL_DIR": ModelSettings,
    "HEATMAP_DIR": HeatmapSettings,
    "DESK_CACHE_DIR": DeskSettings,
}
_LEAST_FREE = 0.05  # of a disk, below which someone should know


def check_folders() -> Findings:
    for name, settings in FOLDERS.items():
        if wrong := wrong_values(settings):
            yield not_checked("folders", name, wrong)
        else:
            yield _check(name, getattr(settings.read(), name.lower()))


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
        return problem(
            "folders", name, found, f"Give this user the right to write there, or set {name}."
        )
    disk = shutil.disk_usage(above)
    there = str(folder.absolute()) if above == folder.absolute() else f"{folder} is not made yet"
    found = f"{there}; {disk.free / 1e9:,.1f} GB of {disk.total / 1e9:,.1f} GB are free"
    if disk.free < _LEAST_FREE * disk.total:
        return warning("folders", name, found, "Free some disk space, or choose another folder.")
    return ok("folders", name, found)
