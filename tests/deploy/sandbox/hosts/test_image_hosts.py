"""Image hosts over HTTP: each is an address of its own, and is counted on its own."""

import io
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from PIL import Image

from common.errors import UsageError
from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.server import Sandbox

CATALOGUE = draw_collection(items=300)


def test_every_provider_has_an_address_of_its_own(sandbox: Sandbox) -> None:
    addresses = sandbox.addresses.of_host
    assert set(addresses) == set(sandbox.catalogue.hosts)
    assert len(set(addresses.values())) == len(addresses) == 7


def test_with_fewer_addresses_providers_share_them() -> None:
    with Sandbox(CATALOGUE, image_hosts=2) as sandbox:
        assert set(sandbox.addresses.of_host.values()) == {"127.0.1.1", "127.0.1.2"}
        url = sandbox.addresses.media_url(CATALOGUE.items[0])
        assert requests.get(url, timeout=10).status_code == 200


def test_a_file_is_the_picture_of_the_catalogue(sandbox: Sandbox) -> None:
    item = sandbox.catalogue.items[3]
    response = requests.get(sandbox.addresses.media_url(item), timeout=10)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.content == sandbox.catalogue.read(item.picture)
    assert Image.open(io.BytesIO(response.content)).format == "JPEG"


def test_a_host_has_only_its_own_files(sandbox: Sandbox) -> None:
    url = sandbox.addresses.media_url(sandbox.catalogue.items[0])
    own = sandbox.addresses.of_host[sandbox.catalogue.items[0].host]
    other = next(name for name in sandbox.addresses.image_hosts if name != own)
    assert requests.get(url.replace(own, other), timeout=10).status_code == 404
    assert requests.get(url.replace(".jpg", "_x.jpg"), timeout=10).status_code == 404


def test_the_drawn_collection_has_files_that_are_broken_for_good(sandbox: Sandbox) -> None:
    broken = {item.id: item for item in sandbox.catalogue.items[:300]}.keys()
    outcomes = []
    for record_id in sorted(broken & sandbox.catalogue.broken.keys()):
        item = sandbox.catalogue.find(record_id)
        assert item is not None
        response = requests.get(sandbox.addresses.media_url(item), timeout=10)
        outcomes.append((response.status_code, response.headers["Content-Type"].split(";")[0]))
    errors, page, half = (404, "text/plain"), (200, "text/html"), (200, "image/jpeg")
    assert sorted(outcomes) == sorted([errors] * 5 + [(403, "text/plain"), page, half])


def test_the_log_proves_how_many_requests_a_host_had_at_once() -> None:
    item = CATALOGUE.items[0]
    faults = Faults(items={item.id: [Fault("latency", seconds=0.2)]})
    with Sandbox(CATALOGUE, faults=faults) as sandbox:
        url = sandbox.addresses.media_url(item)
        before = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            responses = list(pool.map(lambda _: requests.get(url, timeout=10), range(6)))
        assert [response.status_code for response in responses] == [200] * 6
        log = sandbox.log[sandbox.addresses.of_host[item.host]]
        assert (log.requests, log.most_at_once) == (6, 3)
        started = sorted(entry.started for entry in log.entries)
        assert started[0] >= before
        assert started[-1] - started[0] >= 0.2
        assert {entry.path for entry in log.entries} == {f"/media{item.id}.jpg"}
        assert sandbox.log["127.0.0.1"].requests == 0


def test_the_counts_can_be_read_by_other_programs(sandbox: Sandbox) -> None:
    before = requests.get(f"{sandbox.url}/sandbox/requests", timeout=10).json()
    item = sandbox.catalogue.items[0]
    address = sandbox.addresses.of_host[item.host]
    requests.get(sandbox.addresses.media_url(item), timeout=10)
    after = requests.get(f"{sandbox.url}/sandbox/requests", timeout=10).json()
    assert after[address]["requests"] == before[address]["requests"] + 1
    assert after[address]["statuses"]["200"] == before[address]["statuses"].get("200", 0) + 1
    assert set(after) == {"127.0.0.1", *sandbox.addresses.image_hosts}


@pytest.mark.parametrize(
    "faults",
    [
        Faults(hosts={"no.such.example": [Fault("html")]}),
        Faults(items={"/1/no_such_item": [Fault("html")]}),
    ],
)
def test_a_fault_of_something_unknown_is_refused(faults: Faults) -> None:
    with pytest.raises(UsageError, match="no"):
        Sandbox(CATALOGUE, faults=faults)
