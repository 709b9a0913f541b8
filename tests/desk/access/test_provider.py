"""What an identity provider publishes, true or not."""

import json
import socket

import pytest

from common.errors import LoginRefusedError
from desk.access import provider as module
from desk.access.provider import Discovery
from tests.desk.access.providers import OwnProvider

WRONG = {
    "issuer": ("https://evil.example", "has another name"),
    "authorization_endpoint": ("javascript:alert(1)", "no https address as its authorization"),
    "token_endpoint": ("http://evil.example/token", "no https address as its token_endpoint"),
    "jwks_uri": (None, "no https address as its jwks_uri"),
    "id_token_signing_alg_values_supported": (["none", "HS256"], "uses a kind of signature"),
}


def test_addresses_and_keys_are_asked_for_once(provider: OwnProvider) -> None:
    discovery = Discovery(provider.issuer)
    for _ in range(3):
        assert discovery.places().token == f"{provider.issuer}/token"
        assert discovery.keys()
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    assert discovery.places().algorithms == ("RS256",)
    assert discovery.places().takes_basic
    discovery.keys(fresh=True)
    assert provider.asked[2:] == ["/keys"]


def test_they_are_asked_for_again_after_an_hour(
    provider: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS_KEPT", -1.0)
    discovery = Discovery(provider.issuer)
    discovery.places()
    discovery.keys()
    assert len(provider.asked) == 4 - 1


@pytest.mark.parametrize("name", WRONG)
def test_what_is_published_is_checked(provider: OwnProvider, name: str) -> None:
    value, words = WRONG[name]
    provider.configuration = {name: value}
    with pytest.raises(LoginRefusedError, match=words) as refused:
        Discovery(provider.issuer).places()
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b"{}"),
        (302, b"{}"),
        (200, b"[]"),
        (200, b"<html>"),
        (200, b"[" * 100_000),
        (200, b'"' + b"x" * (1 << 20) + b'"'),
        (200, b"\xff"),
    ],
)
def test_an_answer_that_is_none_is_refused_in_words(
    provider: OwnProvider, monkeypatch: pytest.MonkeyPatch, status: int, content: bytes
) -> None:
    monkeypatch.setattr(provider, "answer", lambda *_: (status, content))
    with pytest.raises(LoginRefusedError, match=f"answers {status} without a JSON object"):
        Discovery(provider.issuer).places()


@pytest.mark.parametrize("keys", [{}, {"keys": 1}, {"keys": [1]}, {"keys": [{"kty": "RSA"}]}])
def test_keys_that_are_none_are_refused_in_words(
    provider: OwnProvider, monkeypatch: pytest.MonkeyPatch, keys: dict[str, object]
) -> None:
    discovery = Discovery(provider.issuer)
    discovery.places()
    monkeypatch.setattr(provider, "answer", lambda *_: (200, json.dumps(keys).encode()))
    with pytest.raises(LoginRefusedError, match="publishes keys that cannot be read"):
        discovery.keys()


def test_a_provider_that_is_away_ends_in_words(provider: OwnProvider) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(LoginRefusedError, match=f"at {host} cannot be reached") as refused:
            Discovery(f"http://{host}").places()
    assert "Max retries" not in str(refused.value)


def test_a_provider_that_failed_is_left_alone_for_a_while(
    provider: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "answer", lambda *_: 1 / 0)  # the connection breaks
    discovery = Discovery(provider.issuer)
    with pytest.raises(LoginRefusedError, match="try again later"):
        discovery.places()
    monkeypatch.undo()
    with pytest.raises(LoginRefusedError, match="try again in a minute"):
        discovery.places()
    assert provider.asked == []
    monkeypatch.setattr(module, "SECONDS_AWAY", 0.0)
    assert discovery.places()


def test_nobody_waits_long_while_somebody_else_asks(
    provider: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.01)
    discovery = Discovery(provider.issuer)
    with discovery._turn(), pytest.raises(LoginRefusedError, match="slow to answer"):
        discovery.places()
    assert discovery.places()
