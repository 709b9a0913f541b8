"""Which settings count, where each comes from, and which programs lack some."""

from collections.abc import Mapping

from common.errors import UsageError
from common.process.settings.base import SettingOrigin, check_files, origins, wrong_values
from common.process.settings.every import EVERY, every_field
from common.process.settings.settings_files import NAME, find_files
from enrichment.checks.finding import Finding, Findings, ok, problem, warning

SUBJECT = "settings"
# These have no default. No program works without the first one.
_NEEDED_BY = {
    "DATABASE_URL": "all programs",
    "BROKER_URL": "lists that other systems send, trainer worker and trainer train --queue",
    "EUROPEANA_API_KEY": "harvester records and worker run",
}


def check_settings() -> Findings:
    try:
        files = find_files()
        if files is not None:
            check_files(files)
    except UsageError as error:
        yield problem(
            SUBJECT, "file", str(error), "Correct the file. The other checks did not run."
        )
        return
    every = _origins()
    wrong = {name.upper(): line for each in EVERY for name, line in wrong_values(each).items()}
    none = f"no {NAME} in this folder or above: environment and defaults count"
    yield ok(SUBJECT, "file", ", ".join(map(str, files.there)) if files else none)
    for name, needed_by in _NEEDED_BY.items():
        yield _needed(every[name], needed_by)
    for name, origin in every.items():
        if name in wrong:
            yield problem(
                SUBJECT,
                name,
                wrong[name],
                "Correct this setting. Programs that need it do not start.",
            )
        elif origin.place != "default" and name not in _NEEDED_BY:
            yield ok(SUBJECT, name, f"from {origin.place}")


def is_set(name: str) -> bool:
    try:
        return _origins()[name].place != "default"
    except UsageError:
        return False


def _origins() -> Mapping[str, SettingOrigin]:
    found = {origin.setting: origin for settings in EVERY for origin in origins(settings)}
    return {name.upper(): found[name.upper()] for name in every_field()}


def _needed(origin: SettingOrigin, needed_by: str) -> Finding:
    if origin.place != "default":
        return ok(SUBJECT, origin.setting, f"from {origin.place}")
    tell = problem if origin.setting == "DATABASE_URL" else warning
    return tell(SUBJECT, origin.setting, "not set", f"needed by {needed_by}")
