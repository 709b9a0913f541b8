"""`make desk`: what commands in another terminal need."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from deploy.desk import write_settings


def test_nobody_else_may_read_the_settings_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    monkeypatch.setattr("os.fsync", lambda file: modes.append(os.fstat(file).st_mode))
    file = tmp_path / "settings.sh"
    write_settings({"DATABASE_URL": "postgresql://u:secret@h/d"}, file)
    assert {stat.S_IMODE(mode) for mode in (*modes, file.stat().st_mode)} == {0o600}


def test_a_shell_reads_the_settings_as_they_are(tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": "postgresql://u@/db?host=%2Ftmp&port=1",
        "EUROPEANA_API_KEY": "a '$",
    }
    file = tmp_path / "settings.sh"
    write_settings(settings, file)
    command = f'. {file}; printf "%s|%s" "$DATABASE_URL" "$EUROPEANA_API_KEY"'
    read = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert read.stdout.split("|") == list(settings.values())
