"""An installation whose settings, services and folders are those of one test."""

from pathlib import Path

import pytest


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test, with no settings but those that it sets."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
