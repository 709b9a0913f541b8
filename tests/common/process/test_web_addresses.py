"""Addresses that may carry secrets, and addresses of this machine."""

import pytest

from common.process.web_addresses import is_loopback, is_safe_place, origin


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
