"""Keys and quotas: where a key may stand, and what is said without one or too often."""

import time
from collections.abc import Iterator

import pytest
import requests

from deploy.sandbox.api.keys import Quota
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.server import Sandbox

CATALOGUE = draw_collection(items=12)


@pytest.fixture(scope="module")
def url(sandbox: Sandbox) -> str:
    return f"{sandbox.url}/record/v2/search.json?query=*&rows=0"


@pytest.fixture
def limited() -> Iterator[Sandbox]:
    with Sandbox(CATALOGUE, keys=["first", "second"], quota=Quota(2, seconds=2)) as running:
        yield running


def test_a_key_may_stand_in_a_header(url: str) -> None:
    assert requests.get(url, headers={"X-Api-Key": "sandbox"}, timeout=10).status_code == 200


def test_a_key_may_stand_in_the_address(url: str) -> None:
    assert requests.get(f"{url}&wskey=sandbox", timeout=10).status_code == 200


def test_without_a_key_nothing_is_answered(url: str) -> None:
    response = requests.get(url, timeout=10)
    assert response.status_code == 401
    assert response.json() == {
        "success": False,
        "error": "Unauthorized",
        "message": "Invalid API key provided!",
        "code": "invalid_apikey",
    }
    assert "RateLimit" not in response.headers


def test_an_unknown_key_is_refused_without_repeating_it(url: str) -> None:
    response = requests.get(url, headers={"X-Api-Key": "guessed"}, timeout=10)
    assert response.status_code == 401
    assert response.json()["code"] == "401_key_invalid"
    assert "guessed" not in response.text


def test_what_is_left_of_the_quota_is_said_every_time(url: str) -> None:
    def left() -> int:
        response = requests.get(url, headers={"X-Api-Key": "sandbox"}, timeout=10)
        assert response.headers["RateLimit-Policy"] == '"personal";q=10000;w=3600'
        policy, remaining, _ = response.headers["RateLimit"].split(";")
        assert policy == '"personal"'
        return int(remaining.removeprefix("r="))

    assert left() - left() == 1


def test_a_used_up_quota_comes_back_with_the_next_window(limited: Sandbox) -> None:
    def get(key: str) -> requests.Response:
        url = f"{limited.url}/record/v2/search.json?query=*"
        return requests.get(url, headers={"X-Api-Key": key}, timeout=10)

    time.sleep(2 - time.time() % 2)
    assert [get("first").status_code for _ in range(3)] == [200, 200, 429]
    assert get("second").status_code == 200
    refused = get("first")
    assert refused.json()["code"] == "429_limit_personal"
    assert "2 requests per" in refused.json()["error"]
    _, left, reset = refused.headers["RateLimit"].split(";")
    assert left == "r=0"
    time.sleep(int(reset.removeprefix("t=")))
    assert get("first").status_code == 200
