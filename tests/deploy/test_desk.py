"""`make desk`: what commands in another terminal need."""

import subprocess
from pathlib import Path

from deploy.desk import write_settings


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
