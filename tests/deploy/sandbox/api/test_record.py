"""The Record API over HTTP: the nested form, and what became of records that are not there."""

from typing import Any

import pytest
import requests

from deploy.sandbox.catalogue import Item
from deploy.sandbox.server import Sandbox
from tests.deploy.sandbox.conftest import Json


def get(sandbox: Sandbox, record_id: str, **options: Any) -> requests.Response:
    url = f"{sandbox.url}/record/v2{record_id}.json"
    return requests.get(url, headers={"X-Api-Key": sandbox.key}, timeout=10, **options)


def provider_aggregation(record: Json) -> Json:
    about = f"/aggregation/provider{record['about']}"
    found: Json = next(part for part in record["aggregations"] if part["about"] == about)
    return found


@pytest.fixture(scope="module")
def item(sandbox: Sandbox) -> Item:
    return sandbox.catalogue.items[0]


def test_the_link_is_one_text(sandbox: Sandbox, item: Item) -> None:
    body = get(sandbox, item.id).json()
    assert body["success"] is True
    assert provider_aggregation(body["object"])["edmIsShownBy"] == sandbox.addresses.media_url(item)


def test_the_providers_aggregation_is_not_always_the_first(sandbox: Sandbox) -> None:
    first = set()
    for item in sandbox.catalogue.items[:12]:
        record = get(sandbox, item.id).json()["object"]
        first.add(record["aggregations"][0]["about"].split("/")[2])
        assert provider_aggregation(record)["edmRights"] == {"def": [item.rights]}
    assert first == {"provider", "aggregator"}


def test_a_record_without_a_direct_link_has_a_view(sandbox: Sandbox) -> None:
    item = next(item for item in sandbox.catalogue.items if not item.shown_by)
    aggregation = provider_aggregation(get(sandbox, item.id).json()["object"])
    assert "edmIsShownBy" not in aggregation
    assert aggregation["hasView"] == [aggregation["edmObject"]]
    assert requests.get(aggregation["edmObject"], timeout=10).status_code == 200


def test_a_moved_record_answers_with_its_new_id(sandbox: Sandbox) -> None:
    old, new = next(iter(sandbox.catalogue.moved.items()))
    response = get(sandbox, old, allow_redirects=False)
    assert response.status_code == 200
    assert response.json()["object"]["about"] == new != old


def test_a_deleted_record_is_gone(sandbox: Sandbox) -> None:
    assert get(sandbox, next(iter(sandbox.catalogue.deleted))).status_code == 410


def test_an_unknown_record_is_not_found(sandbox: Sandbox) -> None:
    response = get(sandbox, "/91001/no_such_thing")
    assert response.status_code == 404
    assert response.json() == {
        "apikey": sandbox.key,
        "success": False,
        "error": "Invalid record identifier: /91001/no_such_thing",
    }


def test_records_are_read_only_and_need_a_key(sandbox: Sandbox, item: Item) -> None:
    url = f"{sandbox.url}/record/v2{item.id}.json"
    assert requests.post(url, timeout=10).status_code == 405
    assert requests.get(url, timeout=10).json()["code"] == "invalid_apikey"
