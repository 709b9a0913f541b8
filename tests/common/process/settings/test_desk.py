"""The desk's address and its identity provider, as operators write them."""

from typing import get_args
from urllib.parse import urlsplit

import pytest

from common.errors import UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import Role


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> AccessSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name.upper(), value)
    return AccessSettings.read()


def test_the_roles_are_those_of_the_store() -> None:
    choices = get_args(AccessSettings.model_fields["oidc_default_role"].annotation)
    assert {*get_args(choices[0])} == {*Role}


def test_nothing_is_needed_and_nothing_is_open_then() -> None:
    settings = AccessSettings()
    assert settings.desk_url is None
    assert settings.host is None
    assert not settings.is_https
    assert settings.origin_for("localhost:8000") == "http://localhost:8000"
    assert settings.origin_for("[::1]:8000") == "http://[::1]:8000"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://desk.museum.example", "https://desk.museum.example"),
        ("https://Desk.Museum.Example:443/", "https://desk.museum.example"),
        ("https://desk.museum.example:8443", "https://desk.museum.example:8443"),
        ("https://музей.example", "https://xn--e1adhj9a.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_address_is_written_as_browsers_do(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    settings = read(monkeypatch, desk_url=written)
    assert settings.desk_url == meant
    assert settings.origin_for("localhost") == meant
    assert settings.is_https == meant.startswith("https")
    assert settings.host == urlsplit(meant).hostname


@pytest.mark.parametrize(
    "url",
    [
        "desk.museum.example",
        "http://desk.museum.example",
        "ftp://desk.museum.example",
        "https://",
        "https://user:hunter2@desk.museum.example",
        "https://desk.museum.example/path",
        "https://desk.museum.example?hunter2",
        "https://desk.museum.example#hunter2",
        "https://desk.museum.example:99999",
        "https://desk.museum.example:0",
        "https://desk .example",
        "https://a..example",
        "javascript:alert(1)",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_words(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    with pytest.raises(UsageError, match=r"DESK_URL \(environment\): (expected|the)") as refused:
        read(monkeypatch, desk_url=url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://login.example", "login", "https://x?y", "https://u@x"])
def test_an_issuer_is_reached_by_https(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(UsageError, match="OIDC_ISSUER"):
        read(monkeypatch, oidc_issuer=url, oidc_client_id="desk")


def test_an_issuer_needs_a_client_and_a_role_is_one_of_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match=r"OIDC_CLIENT_ID \(default\): needed"):
        read(monkeypatch, oidc_issuer="https://login.example/realm")
    with pytest.raises(UsageError, match="OIDC_DEFAULT_ROLE"):
        read(monkeypatch, oidc_client_id="desk", oidc_default_role="king")
    settings = read(monkeypatch, oidc_default_role="viewer", oidc_client_secret="secret word")
    assert settings.oidc_default_role == Role.VIEWER
    assert "secret word" not in repr(settings)
