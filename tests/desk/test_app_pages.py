"""Every page answers over HTTP for a museum with something in it; the desk runs in this process."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
import requests
import uvicorn
from sqlalchemy import Engine

from common.process.settings.desk import DeskSettings
from desk.app import create_app
from tests.desk.conftest import OURS, RECORDS
from tests.desk.museum import MAP, Museum
from worker.jobs import prune

FOLDERS = ("DESK_CACHE_DIR", "MODEL_DIR", "HEATMAP_DIR", "EXPERIMENT_DIR", "IMAGE_DIR")
# A page, and words that it shows. {job} is that of the museum.
PAGES = {
    "/": "What the model predicts",
    "/see": "What the model predicts",
    f"/see?provider={quote(OURS)}": OURS,
    "/see?job={job}": "Pictures of a job",
    "/see?job={job}&outcome=failed": "timeout",
    "/see?job={job}&outcome=below_threshold": "Filter",
    f"/see?concept={quote(MAP, safe='')}&judged=no": "Judge these",
    "/judge": "Judge",
    f"/records{RECORDS[0]}": RECORDS[0],
    "/jobs": "{job}",
    "/jobs?state=done": "{job}",
    "/jobs/new": "Enqueue",
    "/jobs/{job}": "12 of 12 records",
    "/jobs/{job}/live": "12 of 12 records",
    "/models": "test",
    "/models/test@1": "test",
    "/teach": "Teach",
    f"/teach?provider={quote(OURS)}": OURS,
    "/prove": "Prove",
    f"/prove?provider={quote(OURS)}&concept={quote(MAP, safe='')}": "Prove",
    "/publish": "There is no plan yet",
    "/publish/statements": "No statement fits",
    "/publish/withdraw": "Choose one model",
    "/models/test@1.jsonld": "prov:SoftwareAgent",
    "/decide": "Decide",
    "/data": "Datasets",
    "/actions": "Actions",
}


@pytest.fixture
def address(
    filled: Museum, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    with serving(engine, tmp_path, monkeypatch) as address:
        yield address


@contextmanager
def serving(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / name))
    config = uvicorn.Config(
        create_app(engine, DeskSettings.read()), log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]}, name="desk")
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_every_page_answers(filled: Museum, address: str) -> None:
    assert wrong_pages(filled, address) == {}


def test_every_page_answers_behind_pgbouncer(
    filled: Museum, pooled: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(pooled, tmp_path, monkeypatch) as address:
        assert wrong_pages(filled, address) == {}


def wrong_pages(filled: Museum, address: str) -> dict[str, tuple[int, str]]:
    """Pages that do not show their words: the answer's status and end."""
    names = {"job": str(filled.the_job)}
    wrong = {}
    with requests.Session() as session:
        for page, words in PAGES.items():
            answer = session.get(address + page.format_map(names), timeout=60)
            if answer.status_code != 200 or words.format_map(names) not in answer.text:
                wrong[page] = (answer.status_code, answer.text[-300:])
    return wrong


def test_of_a_pruned_job_pages_say_that_its_records_were_removed(
    filled: Museum, address: str
) -> None:
    filled.execute("UPDATE job SET finished_at = now() - interval '2 h'")
    assert prune(filled.engine, older_than=timedelta(hours=1)).jobs == 1
    told = f"The records of job {filled.the_job} were removed on "
    for page, code in ((f"/jobs/{filled.the_job}", 200), (f"/see?job={filled.the_job}", 400)):
        answer = requests.get(address + page, timeout=60)
        assert (answer.status_code, told in answer.text) == (code, True)
    page = requests.get(f"{address}/jobs/{filled.the_job}", timeout=60).text
    assert "timeout" in page
    assert "Try again" not in page
    assert "outcome=failed" not in page
    choices = requests.get(address + "/see", timeout=60).text
    assert str(filled.the_job) not in choices
