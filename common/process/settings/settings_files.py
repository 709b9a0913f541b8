"""The files of settings: `enrichment.toml`, and `enrichment.secrets.toml` beside it for secrets.

From the working folder upwards, the first folder counts that has one of them or both, as git finds
its own. A file that belongs to another user is not read unasked: a user who can write into a
folder above could steer our programs.
"""

import os
import stat
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, TomlConfigSettingsSource

from common.errors import UsageError
from common.files import read_regular

NAME, SECRETS_NAME = "enrichment.toml", "enrichment.secrets.toml"
VARIABLE = "ENRICHMENT_CONFIG"  # names another file
_LARGEST = 1_000_000  # bytes
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, kw_only=True)
class SettingsFiles:
    """What the files say, by the names of settings in lower case.

    `path` is that of the file for what is no secret; one of the two files may not exist.
    """

    path: Path
    plain: Mapping[str, Any]
    secret: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Relative folders in the file start here."""
        return self.path.parent

    @property
    def secrets_path(self) -> Path:
        return self.path.with_name(SECRETS_NAME)

    @property
    def there(self) -> list[Path]:
        return [path for path in (self.path, self.secrets_path) if path.is_file()]

    @property
    def values(self) -> Mapping[str, Any]:
        return {**self.plain, **self.secret}

    def place_of(self, name: str) -> Path | None:
        if name in self.secret:
            return self.secrets_path
        return self.path if name in self.plain else None

    def check(self, *, known: Collection[str], secret: Collection[str]) -> None:
        """Refuse what no program would heed, and secrets where others may read them.

        Raises:
            UsageError: names what is wrong in which file, never a value.
        """
        for name in self.values:
            if name not in known:
                near = get_close_matches(name.lower(), known, n=1)
                meant = f" Did you mean {near[0]}?" if near else ""
                raise UsageError(f"{self.place_of(name)}: no setting is called {name!r}.{meant}")
        for name in self.plain:
            if name in secret:
                raise UsageError(
                    f"{self.path}: {name} is a secret. Move it to {self.secrets_path}, or to the "
                    f"environment as {name.upper()}."
                )
        for name in self.secret:
            if name not in secret:
                raise UsageError(
                    f"{self.secrets_path}: {name} is not a secret. Move it to {self.path}."
                )


def find_files() -> SettingsFiles | None:
    """The files of settings that count here; none if there are none.

    Raises:
        UsageError: a file cannot be read, is no TOML, belongs to another user, or holds secrets
            that others may read.
    """
    path = _named() or _above()
    if path is None:
        return None
    secrets = path.with_name(SECRETS_NAME)
    has_secrets = secrets.exists()
    if has_secrets:
        _check_private(secrets)
    return SettingsFiles(
        path=path,
        plain=_read(path) if path.exists() else {},
        secret=_read(secrets) if has_secrets else {},
    )


def name_file(path: Path) -> None:
    """Take the settings from this file, here and in child processes.

    Raises:
        UsageError: there is no such file.
    """
    os.environ[VARIABLE] = str(path.absolute())
    _named()


def _named() -> Path | None:
    """The file that --config or the environment names, or the one beside the secrets it names."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    path = Path(name)
    if not path.is_file():
        raise UsageError(f"There is no settings file {path}. Check --config or {VARIABLE}.")
    return path.with_name(NAME) if path.name == SECRETS_NAME else path


def _above() -> Path | None:
    """The file for what is no secret, in the nearest folder that has it, or one for secrets."""
    here = Path.cwd()
    places = (each / name for each in (here, *here.parents) for name in (NAME, SECRETS_NAME))
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        return None
    for path in (found.with_name(NAME), found.with_name(SECRETS_NAME)):
        if path.exists() and path.stat().st_uid not in (os.getuid(), 0):
            raise UsageError(
                f"{path} belongs to another user, so it is not read. If you trust the file, "
                f"give: --config {path}"
            )
    return found.with_name(NAME)


def _check_private(path: Path) -> None:
    if path.stat().st_mode & _FOR_OTHERS:
        raise UsageError(f"Other users may read the secrets in {path}. Run: chmod 600 {path}")


def _read(path: Path) -> dict[str, Any]:
    try:
        read_regular(path, at_most=_LARGEST)  # the library would pass over a pipe
        values = TomlConfigSettingsSource(BaseSettings, path).toml_data
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file in UTF-8. Save it in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        # The library's words name the line; they quote single characters only.
        raise UsageError(
            f'{path} is not valid TOML: {error}. Write text in quotes: name = "value"'
        ) from None
    except (ValueError, RecursionError):  # from None: the library's words are about Python
        raise UsageError(
            f"{path} contains a number with too many digits, or too many nested brackets."
        ) from None
    for name, value in values.items():
        if not isinstance(value, str | int | float | bool):
            raise UsageError(f"{path}: {name} is a table or a list. Write: {name} = value")
    return values
