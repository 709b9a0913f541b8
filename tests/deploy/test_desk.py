"""`make desk`: what commands in another terminal need."""

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from deploy.desk import running, write_settings
from tests.waiting import wait_for

# Writes its number to a file in the folder, and lives until it is told to end.
LIVING = ("sh", "-c", 'echo $$ > "$0/$$"; exec sleep 600')


def started(folder: Path) -> set[int]:
    """The processes that were started so far."""
    return {int(file.name) for file in folder.iterdir()}


def test_a_killed_process_is_started_again_and_ends_with_the_block(tmp_path: Path) -> None:
    folder = tmp_path / "started"
    folder.mkdir()
    with running([*LIVING, str(folder)], tmp_path / "worker.log"):
        wait_for(lambda: len(started(folder)) == 1)
        (first,) = started(folder)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: len(started(folder)) == 2)
    (second,) = started(folder) - {first}
    assert not Path(f"/proc/{second}").exists()


def test_a_process_that_was_told_to_end_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.desk.PAUSE_SECONDS", 0.0)
    log = tmp_path / "worker.log"
    with running(["sh", "-c", "echo told >&2"], log):
        wait_for(lambda: log.read_text() != "")
        time.sleep(1)  # in which it would be started again some times
    assert log.read_text() == "told\n"


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
