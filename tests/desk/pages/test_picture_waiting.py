"""A host of thumbnails that does not answer holds up pictures, and no page."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.desk.caller import Caller
from tests.desk.desk_process import desk_process
from tests.desk.museum import Museum

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WAITING = 60  # more than the desk has places for all pages


def test_pages_do_not_wait_for_thumbnails(museum: Museum, tmp_path: Path) -> None:
    museum.records("A museum", *(f"/1/r{number}" for number in range(WAITING)))
    with socket.create_server(("127.0.0.1", 0), backlog=WAITING) as silent:
        environment = {
            "EUROPEANA_API_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "FETCH_ALLOW_ADDRESSES": "127.0.0.0/8",
        }
        with desk_process(tmp_path, **environment) as desk, ThreadPoolExecutor(WAITING) as pool:
            asked = [pool.submit(thumbnail, desk.url, number) for number in range(WAITING)]
            first, _ = silent.accept()  # it waits
            for _ in range(10):
                assert Caller(desk).get("/see").elapsed.total_seconds() < 5
            assert not all(each.done() for each in asked)
            desk.kill()
            first.close()


def thumbnail(url: str, number: int) -> bool:
    """Whether there is one; the desk ends before it knows."""
    try:
        return requests.get(f"{url}/thumbnails/1/r{number}", timeout=60).ok
    except requests.RequestException:
        return False
