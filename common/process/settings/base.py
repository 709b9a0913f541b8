"""How settings are read: the environment first, then the files, then defaults."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from common.errors import UsageError
from common.process.settings.settings_files import NAME, SECRETS_NAME, SettingsFiles, find_files
from common.process.wrong_values import in_words


class _FilesSource(TomlConfigSettingsSource):
    """TOML whose relative folders start at the file."""

    def __init__(self, settings: type[BaseSettings], files: SettingsFiles) -> None:
        super().__init__(settings, files.there)
        self._folder = files.folder

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for name, field in self.settings_cls.model_fields.items():
            kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
            if Path in kinds and isinstance(values.get(name), str):
                values[name] = self._folder / values[name]
        return values


class DeploymentSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = find_files()
        if files is None:
            return init_settings, env_settings
        check_files(files)
        return init_settings, env_settings, _FilesSource(settings_cls, files)

    @classmethod
    def read(cls) -> Self:
        """Read the settings from the environment and the files.

        Raises:
            UsageError: some are missing or malformed, or a file is; all of them are named, and no
                value that may be secret is shown.
        """
        (settings,) = read_together(cls)
        return settings


_Settings = TypeVar("_Settings", bound=DeploymentSettings)


def read_together(*classes: type[_Settings]) -> tuple[_Settings, ...]:
    """Read what a command needs, of several classes.

    Raises:
        UsageError: as `DeploymentSettings.read`; it names what is wrong with any of the classes.
    """
    found: list[_Settings] = []
    wrong: dict[str, str] = {}
    for each in classes:
        try:
            found.append(each())
        except ValidationError as error:
            wrong |= _wrong_settings(each, error)
    if wrong:
        # The cause quotes every variable, the secret ones too.
        raise UsageError(_report(wrong)) from None
    return tuple(found)


def wrong_values(settings: type[DeploymentSettings]) -> dict[str, str]:
    """A sentence for each setting of a class that is set and wrong, by its name in lower case."""
    try:
        settings()
    except ValidationError as error:
        missing = {part["loc"][0] for part in error.errors() if part["type"] == "missing"}
        wrong = _wrong_settings(settings, error)
        return {name: line for name, line in wrong.items() if name not in missing}
    return {}


class SettingOrigin(NamedTuple):
    """Where the value of a setting comes from: `environment`, a file's path, or `default`."""

    setting: str
    place: str
    is_secret: bool


def origins(settings: type[DeploymentSettings]) -> Iterator[SettingOrigin]:
    files = find_files()
    for name, field in settings.model_fields.items():
        yield SettingOrigin(name.upper(), _place(name, files), is_secret(field))


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is kept out of `enrichment.toml`, logs and messages."""
    return SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))


def _place(name: str, files: SettingsFiles | None) -> str:
    if os.environ.get(name.upper()):
        return "environment"
    if files is not None and (path := files.place_of(name)) is not None:
        return str(path)
    return "default"


def check_files(files: SettingsFiles) -> None:
    """Refuse names that no program knows, and secrets in the wrong file.

    Raises:
        UsageError: names what is wrong in which file.
    """
    from common.process.settings.every import every_field  # it needs this module

    fields = every_field()
    files.check(known=fields, secret={name for name, field in fields.items() if is_secret(field)})


def _wrong_settings(settings: type[DeploymentSettings], error: ValidationError) -> dict[str, str]:
    files = find_files()
    lines = {}
    for part in error.errors(include_input=False, include_url=False):
        name = str(part["loc"][0])
        field = settings.model_fields[name]
        example = f" Example: {field.examples[0]}" if field.examples else ""
        if part["type"] == "missing":
            lines[name] = f"{name.upper()} is not set.{example}"
        else:
            place = _place(name, files)
            lines[name] = f"{name.upper()} ({place}): {in_words(part)}.{example}"
    return lines


def _report(wrong: Mapping[str, str]) -> str:
    from common.process.settings.every import every_field  # it needs this module

    files, fields = find_files(), every_field()
    places = ["the environment", str(files.path) if files else NAME]
    if any(name in fields and is_secret(fields[name]) for name in wrong):
        places.append(f"{files.secrets_path if files else SECRETS_NAME} for secrets")
    title = "A setting is" if len(wrong) == 1 else f"{len(wrong)} settings are"
    lines = "".join(f"\n  {line}" for line in wrong.values())
    return (
        f"{title} missing or wrong:{lines}\nSettings come from {', '.join(places)}. "
        "To check them all: enrichment doctor"
    )
