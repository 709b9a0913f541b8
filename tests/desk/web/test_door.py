"""The door: whom the desk takes somebody for, and forms that no page of ours would send."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy.exc import TimeoutError as NoConnectionError
from starlette.requests import Request

from common.store.tables import Role
from desk.access.accounts import end_account
from desk.web.door import store_trouble
from tests.desk.caller import Caller, raw
from tests.desk.museum import Museum
from tests.desk.served import ServedDesk, served_desk
from tests.desk.visiting import Visit

pytestmark = pytest.mark.timeout(600)


def part(name: bytes, content: bytes, more: bytes = b"") -> bytes:
    head = b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + more
    return head + b"\r\n\r\n" + content + b"\r\n--x--\r\n"


MULTIPART = "multipart/form-data; boundary=x"
URLENCODED = "application/x-www-form-urlencoded"
HOSTILE = {
    "no boundary": ("multipart/form-data", b"x"),
    "no part": (MULTIPART, b"x"),
    "no end": (MULTIPART, part(b"provider", b"x")[:-8]),
    "no name": (MULTIPART, b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n"),
    "long boundary": (f"multipart/form-data; boundary={'x' * 10_000}", b"x"),
    "two files": (
        MULTIPART,
        part(b"file", b"/1/a", b'; filename="a"')[:-7]
        + b"\r\n"
        + part(b"file", b"/1/a", b'; filename="a"'),
    ),
    "long name": (MULTIPART, part(b"a" * 3_000_000, b"x")),
    "long field": (MULTIPART, part(b"provider", b"x" * 3_000_000)),
    "long field in an address": (URLENCODED, b"provider=" + b"x" * 3_000_000),
    "many fields": (URLENCODED, b"a=1&" * 3_000),
    "a file for the word": (MULTIPART, part(b"csrf", b"x", b'; filename="a"')),
    "a file of nothing": (MULTIPART, part(b"file", b"\0" * 5_000_000, b'; filename="a"')),
    "no form": ("application/json", b"{}"),
    "half a sign": (URLENCODED, b"provider=%"),
    "no UTF-8": (URLENCODED, b"provider=%ff%fe"),
    "no UTF-8 in a part": (MULTIPART, part(b"provider", b"\xff\xfe")),
    **{
        f"in {codec}": (f"{MULTIPART}; charset={codec}", part(b"provider", content))
        for codec, content in (
            ("undefined", b"x"),
            ("punycode", b"\xff"),
            ("idna", b"xn--\xff"),
            ("utf-7", b"+2AA-"),
            ("raw_unicode_escape", b"\\ud800"),
            ("utf-8; charset=undefined", b"x"),
            ("hex", b"zz"),
        )
    },
}

OF_NO_BROWSER = [
    (b"GET http://evil.example/see HTTP/1.1\r\nHost: HOST", b"404"),
    (b"OPTIONS * HTTP/1.1\r\nHost: HOST", b"404"),
    (b"GET /see HTTP/1.0", b"421"),
    (b"GET /see HTTP/1.1\r\nHost: evil.example", b"421"),
    (b"GET /see HTTP/1.1\r\nHost: HOST\r\nHost: HOST", b"400"),
    (b"GET /see HTTP/1.1\r\nHost: HOST\r\nX-Forwarded-For: 127.0.0.1", b"421"),
    (b"GET /s\xffe HTTP/1.1\r\nHost: HOST", b"400"),
    (b"\xff\xfe", b"400"),
    (b"POST /login HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1", b"400"),
    (b"POST /login HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999", b"413"),
    (b"POST /login HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nzz", b"400"),
]


def test_hostile_forms_are_refused_in_words(filled: Museum, desk: ServedDesk) -> None:
    caller = Caller(desk)
    caller.get("/jobs/new")
    for name, (kind, content) in HOSTILE.items():
        answer = caller.post("/jobs/new", content, headers={"content-type": kind})
        assert answer.status_code in (400, 413), name
        words = (
            'role="alert"',
            "<h1>Something in your request is not right</h1>",
            "t most 1,024 KiB",
        )
        assert any(each in answer.text for each in words), name
    assert len(filled.rows("SELECT 1 FROM job")) == 1
    assert "Traceback" not in desk.log()


def test_hostile_logins_are_refused_in_words(filled: Museum, desk: ServedDesk) -> None:
    filled.user()
    for name, (kind, content) in HOSTILE.items():
        caller = Caller(desk)
        answer = caller.post("/login", content, headers={"content-type": kind})
        assert answer.status_code in (400, 403, 413), name
        assert "desk" not in caller.session.cookies, name
    assert "Traceback" not in desk.log()
    assert filled.rows("SELECT 1 FROM desk_session") == []


def test_forms_of_several_spellings_of_our_own_are_read(filled: Museum, desk: ServedDesk) -> None:
    caller = Caller(desk)
    caller.get("/jobs/new")
    content = part(b"provider", "Μουσείο".encode())
    for kind in (MULTIPART, f"{MULTIPART}; charset=UTF-8", f"{MULTIPART};charset=utf-8"):
        answer = caller.post("/jobs/new", content, headers={"content-type": kind})
        assert "no record of the data provider" in answer.text
        assert "Μουσείο" in answer.text


def test_a_body_that_breaks_off_does_nothing(filled: Museum, desk: ServedDesk) -> None:
    parts = urlsplit(desk.url)
    for path in ("/jobs/new", "/login"):
        head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {URLENCODED}\r\n"
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(f"{head}Content-Length: 100\r\n\r\nprovider=".encode())
        assert desk.get("/healthz") == "ok\n"
    desk.get("/see")
    assert "Traceback" not in desk.log()


def test_requests_of_no_browser_are_refused(desk: ServedDesk) -> None:
    for sent, status in OF_NO_BROWSER:
        answer = raw(desk, sent + b"\r\nConnection: close\r\n\r\n")
        assert answer.split(b" ")[1] == status, sent
    assert "Traceback" not in desk.log()


def test_without_accounts_the_page_says_that_it_serves_this_machine_only(
    desk: ServedDesk, visit: Visit
) -> None:
    visit.page.goto(desk.url)
    assert "no accounts: this machine only" in visit.page.get_by_role("banner").inner_text()
    assert visit.page.get_by_role("button", name="Log out").count() == 0


def test_the_first_account_closes_the_desk_to_all_others(filled: Museum, desk: ServedDesk) -> None:
    nobody = Caller(desk)
    assert nobody.get("/see").status_code == 200
    filled.user("Anna", Role.VIEWER)
    assert nobody.get("/see").headers["location"] == "/login?after=%2Fsee"
    end_account(filled.engine, "Anna")
    assert nobody.get("/see").headers["location"] == "/login?after=%2Fsee"


def test_a_page_of_another_site_does_nothing_at_a_desk_without_accounts(
    filled: Museum, desk: ServedDesk
) -> None:
    """It needs no cookie of ours there, so all depends on the word and the origin."""
    caller = Caller(desk)
    caller.get("/jobs/new")
    ids = {"ids": "/1/a"}
    assert Caller(desk).post("/jobs/new", ids, word="").status_code == 403
    assert Caller(desk).post("/jobs/new", ids, word=caller.word).status_code == 403
    elsewhere = {"origin": "https://evil.example"}
    assert caller.post("/jobs/new", ids, headers=elsewhere).status_code == 403
    assert len(filled.rows("SELECT 1 FROM job")) == 1
    assert caller.post("/jobs/new", ids).status_code == 303


def test_cookies_are_ours_alone(filled: Museum, tmp_path: Path) -> None:
    filled.user()
    with served_desk(tmp_path, DESK_URL="https://desk.museum.example") as desk:
        caller = Caller(desk)
        page = caller.session.get(desk.url + "/login", headers={"host": "desk.museum.example"})
        given = page.headers["set-cookie"]
    assert given.startswith("__Host-desk-form=")
    for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert flag in given
    assert "Domain" not in given
    assert page.headers["strict-transport-security"]


def test_who_waits_for_a_connection_in_vain_is_told_that_the_desk_is_busy() -> None:
    scope = {"type": "http", "path": "/see", "headers": [], "query_string": b"", "scheme": "http"}
    request = Request(scope | {"server": ("localhost", 80)})
    assert "The desk is busy" in store_trouble(request, NoConnectionError())


def test_a_store_that_is_away_is_told_at_the_login_too(
    services, filled: Museum, desk: ServedDesk
) -> None:
    filled.user()
    caller = Caller(desk)
    caller.get("/login")
    services.postgres.stop()
    for answer in (
        caller.get("/login"),
        caller.post("/login", {"name": "a reviewer", "password": "x"}),
        caller.get("/see"),
    ):
        assert answer.status_code == 503
        assert answer.text.startswith("The desk cannot reach its database, Postgres.")
        assert "socket" not in answer.text  # that is for the log
    services.postgres.start()
    assert caller.get("/login").status_code == 200
    assert "Traceback" not in desk.log()
