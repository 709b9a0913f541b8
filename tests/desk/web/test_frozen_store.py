"""A frozen database: pages end in words, as where it is away, and come back with it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.desk.desk_process import PATIENCE, DeskProcess
from tests.frozen_postgres import frozen_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAGES = ("/see", "/jobs", "/see", "/models")


@pytest.fixture
def desk(process: DeskProcess) -> DeskProcess:
    return process


def test_pages_end_in_words_while_the_database_is_frozen(
    database_url: str, desk: DeskProcess
) -> None:
    def ask(path: str) -> requests.Response:
        return requests.get(desk.url + path, timeout=PATIENCE)

    with ThreadPoolExecutor(len(PAGES)) as pool:
        assert all(answer.status_code == 200 for answer in pool.map(ask, PAGES))
        with frozen_postgres(database_url):
            for _ in range(2):  # with connections that are frozen, and without any
                answers = list(pool.map(ask, PAGES))
                assert all(answer.status_code == 503 for answer in answers)
                assert answers[0].text.startswith("The desk cannot reach its database")
        deadline = time.monotonic() + PATIENCE
        while ask("/see").status_code != 200:
            assert time.monotonic() < deadline
    assert "the desk closes the connections" in desk.log()
    assert "Traceback" not in desk.log()
