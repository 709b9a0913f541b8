"""The desk's address and its identity provider, as operators write them."""

from urllib.parse import urlsplit

import pytest

from common.errors import UsageError
from common.store.tables import Role
from desk.access.settings import AccessSettings, is_loopback, is_safe_place, origin


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> AccessSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name.upper(), value)
    return AccessSettings.read()


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
        "https://user:secret@desk.museum.example",
        "https://desk.museum.example/path",
        "https://desk.museum.example?secret",
        "https://desk.museum.example#secret",
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
    with pytest.raises(UsageError, match="DESK_URL: value error, expected") as refused:
        read(monkeypatch, desk_url=url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://login.example", "login", "https://x?y", "https://u@x"])
def test_an_issuer_is_reached_by_https(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(UsageError, match="OIDC_ISSUER"):
        read(monkeypatch, oidc_issuer=url, oidc_client_id="desk")


def test_an_issuer_needs_a_client_and_a_role_is_one_of_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match="OIDC_CLIENT_ID: value error, needed"):
        read(monkeypatch, oidc_issuer="https://login.example/realm")
    with pytest.raises(UsageError, match="OIDC_DEFAULT_ROLE"):
        read(monkeypatch, oidc_client_id="desk", oidc_default_role="king")
    settings = read(monkeypatch, oidc_default_role="viewer", oidc_client_secret="secret word")
    assert settings.oidc_default_role is Role.VIEWER
    assert "secret word" not in repr(settings)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost.", "127.9.9.9", "[::1]", "::1"]
)
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "localhost.evil.example", "x.localhost", "127.0.0.1.evil.example", "0.0.0.0", "127.1"],
)
def test_and_nothing_else_is(host: str) -> None:
    assert not is_loopback(host)


def test_secrets_travel_by_https_or_stay_here() -> None:
    assert is_safe_place("https://login.example/token")
    assert is_safe_place("http://localhost:1/token")
    assert not is_safe_place("http://login.example/token")
    assert not is_safe_place("file:///etc/passwd")
    assert origin("https://login.example:443/token") == "https://login.example"
