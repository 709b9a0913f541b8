"""Requests that are made to cost the desk more than their sender; others' pages come meanwhile."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

import pytest
import requests

from common.store.tables import Role
from tests.desk.caller import Caller
from tests.desk.desk_process import PATIENCE, DeskProcess
from tests.desk.museum import Museum
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SENDERS = 20
WITHIN = 1.0  # seconds, on a machine that does not have more to do
LINES = 1_500_000
URLENCODED = "Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = URLENCODED + "Transfer-Encoding: chunked\r\n"
CHUNKS = b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"
AMPERSANDS = b"&" * 1_000_000
HEADERS = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 20_000
MULTIPART = "Content-Type: multipart/form-data; boundary=x\r\n"


def length(body: bytes) -> str:
    return f"Content-Length: {len(body)}\r\n"


FLOODS = {
    "chunks to the login": ("/login", CHUNKED, CHUNKS),
    "chunks to a page for operators": ("/jobs/new", CHUNKED, CHUNKS),
    "chunks to no page": ("/nothing", CHUNKED, CHUNKS),
    "ampersands to the login": ("/login", URLENCODED + length(AMPERSANDS), AMPERSANDS),
    "parts to the login": ("/login", MULTIPART + length(HEADERS), HEADERS),
}


@pytest.fixture
def people(filled: Museum) -> Museum:
    for role in Role:
        filled.user(role.value, role)
    return filled


@pytest.fixture
def desk(process: DeskProcess) -> DeskProcess:
    return process


def send(desk: DeskProcess, path: str, head: str, body: bytes) -> None:
    """A POST; what is answered is read, as far as it comes."""
    place = urlsplit(desk.url)
    lines = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n{head}\r\n"
    with (
        suppress(OSError),  # the desk may close the connection at any time
        socket.create_connection((place.hostname, place.port), timeout=PATIENCE) as connection,
    ):
        connection.sendall(lines.encode() + body)
        while connection.recv(65_536):
            pass


@contextmanager
def flooded(flood: Callable[[], object]) -> Iterator[None]:
    """Twenty senders, who begin again as soon as they are answered."""
    is_over = Event()

    def flooding() -> None:
        while not is_over.is_set():
            flood()

    senders = [Thread(target=flooding) for _ in range(SENDERS)]
    for each in senders:
        each.start()
    try:
        yield
    finally:
        is_over.set()
        for each in senders:
            each.join()


def slowest(desk: DeskProcess, user: Caller, times: int) -> float:
    """Seconds that the slowest of some pages took, or the answer to a probe."""
    seconds = []
    for _ in range(times):
        for path in ("/healthz", "/see"):
            began = time.monotonic()
            assert user.session.get(desk.url + path, timeout=PATIENCE).status_code == 200
            seconds.append(time.monotonic() - began)
        time.sleep(0.1)
    return max(seconds)


def check_pages(desk: DeskProcess, user: Caller, flood: Callable[[], object]) -> None:
    quiet = slowest(desk, user, 5)
    with flooded(flood):
        time.sleep(0.5)
        busy = slowest(desk, user, 15)
    assert busy < max(WITHIN, 10 * quiet), f"{busy:.2f} s instead of {quiet:.2f} s"
    assert "Traceback" not in desk.log()


@pytest.mark.parametrize("flood", FLOODS)
def test_strangers_hold_up_nobodys_page(people: Museum, desk: DeskProcess, flood: str) -> None:
    path, head, body = FLOODS[flood]
    check_pages(desk, Caller(desk, "viewer"), lambda: send(desk, path, head, body))


@pytest.mark.parametrize("path", ["/verdicts", "/teach/refit"])
def test_a_reviewer_holds_up_nobodys_page(people: Museum, desk: DeskProcess, path: str) -> None:
    reviewer = Caller(desk, "reviewer")
    cookies = "; ".join(f"{each.name}={each.value}" for each in reviewer.session.cookies)
    head = f"Cookie: {cookies}\r\nx-csrf: {reviewer.word}\r\n{URLENCODED}"
    body = AMPERSANDS[:250_000]
    check_pages(desk, Caller(desk, "viewer"), lambda: send(desk, path, head + length(body), body))


def test_an_operators_list_of_bad_lines_is_refused_early(people: Museum, desk: DeskProcess) -> None:
    operator = Caller(desk, "operator")
    fields = {"csrf": operator.word, "skip": "1"}
    upload = {"file": ("ids.txt", b"x\n" * 5_000_000)}

    def flood() -> requests.Response:
        return operator.post("/jobs/new", fields, files=upload)

    began = time.monotonic()
    refused = flood()
    assert time.monotonic() - began < PATIENCE / 4
    assert refused.status_code == 400
    assert "More than 10,000 lines have no record ID" in refused.text
    assert len(people.rows("SELECT 1 FROM job")) == 1


def test_a_list_with_too_many_lines_is_refused(people: Museum, desk: DeskProcess) -> None:
    operator = Caller(desk, "operator")
    upload = {"file": ("ids.txt", b"\n" * 2_000_001)}
    refused = operator.post("/jobs/new", {"csrf": operator.word}, files=upload)
    assert refused.status_code == 400
    assert "more than 2,000,000 lines" in refused.text


def test_work_ends_when_its_sender_has_left(people: Museum, desk: DeskProcess) -> None:
    operator = Caller(desk, "operator")
    lines = b"".join(b"/1/a%d\n" % number for number in range(LINES))
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + lines
        + b"\r\n--x--\r\n"
    )
    place = urlsplit(desk.url)
    cookies = "; ".join(f"{each.name}={each.value}" for each in operator.session.cookies)
    head = f"POST /jobs/new HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookies}\r\n"
    head += f"x-csrf: {operator.word}\r\n{MULTIPART}{length(body)}\r\n"
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(head.encode() + body)
    log = "SELECT what FROM desk_action WHERE what LIKE '/%' OR what = 'not done' ORDER BY id"
    wait_for(lambda: len(people.rows(log)) == 2)
    assert people.rows(log) == [("/jobs/new",), ("not done",)]
    assert len(people.rows("SELECT 1 FROM job")) == 1
    assert "Traceback" not in desk.log()
