from pathlib import Path

import pytest

from common.errors import UsageError
from common.process.settings import ApiSettings, DeploymentSettings, ImageSettings, StoreSettings


def test_settings_come_from_the_environment_when_read(monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_KEY", "first")
    monkeypatch.setenv("EUROPEANA_API_URL", "http://127.0.0.1:1")
    settings = ApiSettings.read()
    monkeypatch.setenv("EUROPEANA_API_KEY", "second")
    assert settings.europeana_api_key.get_secret_value() == "first"
    assert ApiSettings.read().europeana_api_key.get_secret_value() == "second"
    assert settings.europeana_api_url == "http://127.0.0.1:1"


def test_defaults_hold_where_nothing_is_set(monkeypatch):
    monkeypatch.setenv("IMAGE_DIR", "")
    settings = ImageSettings.read()
    assert settings.image_dir == Path("image_store")
    assert settings.europeana_api_url == "https://api.europeana.eu"


@pytest.mark.parametrize(
    ("settings", "name"), [(ApiSettings, "EUROPEANA_API_KEY"), (StoreSettings, "DATABASE_URL")]
)
def test_a_missing_variable_is_named(settings, name):
    with pytest.raises(UsageError, match=f"A setting is missing or wrong:\n  {name} is not set."):
        settings.read()


def test_a_malformed_variable_is_named_and_its_value_kept_secret(monkeypatch):
    class Settings(DeploymentSettings):
        secret_number: int

    monkeypatch.setenv("SECRET_NUMBER", "hunter2")
    with pytest.raises(UsageError, match="SECRET_NUMBER .*whole number") as refusal:
        Settings.read()
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


def test_secrets_are_not_shown(monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in f"{ApiSettings.read()!r} {StoreSettings.read()!r}"


@pytest.mark.parametrize(
    "url", ["api.europeana.eu", "ftp://api.europeana.eu", "http://", "http://user:hunter2@host"]
)
def test_an_address_that_is_none_is_refused(monkeypatch, url):
    monkeypatch.setenv("EUROPEANA_API_URL", url)
    with pytest.raises(UsageError, match=r"EUROPEANA_API_URL \(environment\): expected") as refusal:
        ImageSettings.read()
    assert "hunter2" not in str(refusal.value)
