"""Every kind of fault as a client meets it on the wire."""

import io
import itertools
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from PIL import Image

from deploy.sandbox.collection import draw_collection
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.hosts.bombs import GZIP_BOMB_BYTES
from deploy.sandbox.server import Sandbox

CATALOGUE = draw_collection(items=40)
ITEM = CATALOGUE.items[0]
PICTURE = CATALOGUE.read(ITEM.picture)


@contextmanager
def broken(*faults: Fault) -> Iterator[str]:
    """The URL of a file that has these faults."""
    with Sandbox(CATALOGUE, faults=Faults(items={ITEM.id: list(faults)})) as sandbox:
        yield sandbox.addresses.media_url(ITEM)


def read_all(connection: socket.socket) -> None:
    while connection.recv(2**16):
        pass


def get(url: str) -> requests.Response:
    return requests.get(url, timeout=10, allow_redirects=False)


def test_a_latency_comes_before_the_answer() -> None:
    with broken(Fault("latency", seconds=0.1), Fault("latency", seconds=(0.1, 0.2))) as url:
        started = time.monotonic()
        assert get(url).content == PICTURE
        assert 0.2 <= time.monotonic() - started < 2


def test_a_drip_is_as_slow_as_it_says() -> None:
    rate = len(PICTURE) * 2
    with broken(Fault("drip", bytes_per_second=rate)) as url:
        started = time.monotonic()
        response = get(url)
        assert response.content == PICTURE
        assert response.headers["Content-Length"] == str(len(PICTURE))
        assert 0.4 <= time.monotonic() - started < 3


def test_a_status_can_say_when_to_come_back() -> None:
    with broken(Fault("status", status=429, retry_after=7)) as url:
        response = get(url)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "7")


def test_a_fault_can_end_after_the_first_requests() -> None:
    with broken(Fault("status", status=503, first=2), Fault("html", first=3)) as url:
        statuses = [get(url).status_code for _ in range(4)]
        assert statuses == [503, 503, 200, 200]
        assert get(url).content == PICTURE


def test_half_a_file_looks_whole_on_the_wire() -> None:
    with broken(Fault("truncated")) as url:
        response = get(url)
        assert response.content == PICTURE[: len(PICTURE) // 2]
        assert response.headers["Content-Length"] == str(len(response.content))
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(response.content)).load()


def test_a_page_can_come_with_status_200() -> None:
    with broken(Fault("html")) as url:
        response = get(url)
        assert (response.status_code, response.headers["Content-Type"][:9]) == (200, "text/html")
        assert "<html>" in response.text


def test_a_picture_can_be_called_text() -> None:
    with broken(Fault("wrong_type")) as url:
        response = get(url)
        assert response.headers["Content-Type"] == "text/plain"
        assert response.content == PICTURE


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/", "http://[::1]/"])
def test_a_redirect_can_lead_anywhere(location: str) -> None:
    with broken(Fault("redirect", location=location)) as url:
        response = get(url)
        assert (response.status_code, response.headers["Location"]) == (302, location)


def test_a_redirect_can_lead_in_a_circle() -> None:
    with broken(Fault("redirect_loop")) as url, pytest.raises(requests.TooManyRedirects):
        requests.get(url, timeout=10)


def test_an_endless_file_goes_on_until_the_client_has_enough(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with broken(Fault("endless")) as url:
        with requests.get(url, timeout=10, stream=True) as response:
            assert "Content-Length" not in response.headers
            received = sum(len(part) for part in itertools.islice(response.iter_content(2**16), 80))
        assert received > 2**22
    assert caplog.records == []  # a client that leaves is no error


def test_a_gzip_bomb_is_small_on_the_wire() -> None:
    with broken(Fault("gzip_bomb")) as url:
        with requests.get(url, timeout=30, stream=True) as response:
            packed = response.raw.read(decode_content=False)
        assert response.headers["Content-Encoding"] == "gzip"
    assert len(packed) < GZIP_BOMB_BYTES / 500
    unpacker = zlib.decompressobj(wbits=31)
    size = len(unpacker.decompress(packed, 2**20))
    while unpacker.unconsumed_tail:
        size += len(unpacker.decompress(unpacker.unconsumed_tail, 2**20))
    assert (size, unpacker.eof) == (GZIP_BOMB_BYTES, True)


def test_a_pixel_bomb_is_a_proper_picture_of_absurd_size() -> None:
    with broken(Fault("pixel_bomb")) as url:
        content = requests.get(url, timeout=30).content
    assert len(content) < 200_000
    with pytest.raises(Image.DecompressionBombError, match="900000000 pixels"):
        Image.open(io.BytesIO(content))


def test_a_connection_can_be_reset_in_the_middle() -> None:
    with broken(Fault("reset")) as url:
        host, port = url.split("/")[2].split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(f"GET /media{ITEM.id}.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            with pytest.raises(ConnectionResetError):
                read_all(connection)


def test_chance_strikes_the_same_files_in_every_run() -> None:
    def struck(seed: int) -> set[str]:
        faults = Faults(hosts={"*": [Fault("status", status=500, probability=0.5)]})
        with Sandbox(CATALOGUE, faults=faults, seed=seed) as sandbox:
            urls = {item.id: sandbox.addresses.media_url(item) for item in CATALOGUE.items}
            return {name for name, url in urls.items() if get(url).status_code == 500}

    first = struck(1)
    assert 8 < len(first) < 32
    assert struck(1) == first != struck(2)


def test_a_host_is_named_as_in_the_catalogue_or_by_its_address() -> None:
    other = next(item for item in CATALOGUE.items if item.host != ITEM.host)
    with Sandbox(CATALOGUE) as sandbox:
        address = sandbox.addresses.of_host[ITEM.host]
    for name in (ITEM.host, address):
        with Sandbox(CATALOGUE, faults=Faults(hosts={name: [Fault("html")]})) as sandbox:
            assert "<html>" in get(sandbox.addresses.media_url(ITEM)).text
            assert "image" in get(sandbox.addresses.media_url(other)).headers["Content-Type"]


def test_the_api_can_fail_for_a_while() -> None:
    faults = Faults(api=[Fault("status", status=503, first=2)])
    with Sandbox(CATALOGUE, faults=faults) as sandbox:
        search = f"{sandbox.url}/record/v2/search.json?wskey={sandbox.key}&query=*&rows="
        assert [get(f"{search}{rows}").status_code for rows in range(3)] == [503, 503, 200]
        record = f"{sandbox.url}/record/v2{ITEM.id}.json?wskey={sandbox.key}"
        refused = get(record)
        assert (refused.status_code, refused.json()["code"]) == (503, "503-SA")
        assert [get(record).status_code for _ in range(2)] == [503, 200]


def test_thumbnails_fail_on_their_own() -> None:
    faults = Faults(thumbnails=[Fault("truncated")])
    with Sandbox(CATALOGUE, faults=faults) as sandbox:
        name = sandbox.addresses.thumbnail_hash(ITEM)
        thumbnail = get(f"{sandbox.url}/thumbnail/v3/400/{name}").content
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO(thumbnail)).load()
        assert get(sandbox.addresses.media_url(ITEM)).content == PICTURE
