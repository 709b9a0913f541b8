import gzip
import json
import socket
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from common.errors import (
    ApiError,
    CursorRefusedError,
    KeyRefusedError,
    RateLimitedError,
    UnreachableError,
    UsageError,
)
from common.europeana import quota, transport
from common.europeana.transport import ApiTransport
from common.process.settings import ApiSettings
from tests.common.europeana.conftest import answering

OK = {"success": True}
ERRORS = Path(__file__).resolve().parents[4] / "shared" / "europeana" / "samples" / "errors"


@pytest.fixture
def api(server):
    with ApiTransport(server.settings, longest_quota_wait=3) as api:
        yield api


def test_the_key_travels_in_a_header_and_nowhere_else(server, api):
    server.scripts = [answering(OK)]
    api.get("/x.json", [("query", 'a "b" +&=é')])
    path, headers = server.requests[0]
    assert headers["X-Api-Key"] == "hunter2"
    assert path == "/x.json?query=a+%22b%22+%2B%26%3D%C3%A9"
    assert "Cookie" not in headers


def test_cookies_are_not_kept(server, api):
    server.scripts = [answering(OK, Set_Cookie="a=b")]
    api.get("/1")
    api.get("/2")
    assert "Cookie" not in server.requests[1][1]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_server_errors_are_tried_again(server, api, status):
    server.scripts = [answering(b"<html>", status), answering(b"", status), answering(OK)]
    assert api.get("/x").body == OK
    assert len(server.requests) == 3


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"success"')
    handler.close_connection = True


def hung_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


@pytest.mark.parametrize("breaking", [cut_off, hung_up])
def test_broken_connections_are_tried_again(server, api, breaking):
    server.scripts = [breaking, answering(OK)]
    assert api.get("/x").body == OK
    server.scripts = [breaking]
    with pytest.raises(UnreachableError, match=r"127.0.0.1:\d+ cannot be reached: ") as failure:
        api.get("/x")
    assert "hunter2" not in str(failure.value)


def test_persistent_server_errors_are_an_unreachable_api(server, api):
    server.scripts = [answering({}, 503)]
    with pytest.raises(UnreachableError, match="cannot be reached: it answers 503"):
        api.get("/x")
    assert len(server.requests) == 3


def test_another_attempt_is_told_in_a_sentence(server, api):
    server.scripts = [answering({}, 503), answering(OK)]
    with capture_logs() as logs:
        api.get("/x")
    (told,) = logs
    assert told.pop("in_seconds") >= 0
    assert told == {
        "event": "The API of Europeana did not answer. The request is sent again.",
        "problem": "it answers 503",
        "attempt": "2 of 5",
        "log_level": "warning",
    }


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9", "Connection refused"),
        ("http://nowhere.invalid", "nowhere.invalid cannot be reached: "),
    ],
)
def test_an_unreachable_host_is_named(url, message):
    settings = ApiSettings(europeana_api_key="hunter2", europeana_api_url=url)
    with ApiTransport(settings) as api, pytest.raises(UnreachableError, match=message) as failure:
        api.get("/x")
    assert "hunter2" not in str(failure.value)
    assert "0x" not in str(failure.value)
    assert str(failure.value).count("(") == str(failure.value).count(")")


def test_a_dripping_answer_ends_at_the_deadline(server, api, monkeypatch):
    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.02)

    monkeypatch.setattr(transport, "DEADLINE", 0.3)
    server.scripts = [drip]
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="does not answer in time"):
        api.get("/x")
    assert time.monotonic() - started < 2


def test_silence_ends_at_the_read_timeout(server, api, monkeypatch):
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.1)
    server.scripts = [lambda handler: time.sleep(0.5)]
    with pytest.raises(UnreachableError, match="does not answer in time"):
        api.get("/x")


@pytest.mark.parametrize("packed", [False, True])
def test_an_endless_answer_is_refused(server, api, monkeypatch, packed):
    monkeypatch.setattr(transport, "MAX_ANSWER", 1 << 20)
    content = b" " * (3 << 20)
    headers = {"Content_Encoding": "gzip"} if packed else {}
    server.scripts = [answering(gzip.compress(content) if packed else content, **headers)]
    with pytest.raises(ApiError, match="an answer of more than 1 MiB"):
        api.get("/x")


def test_compressed_answers_are_read(server, api):
    content = gzip.compress(json.dumps(OK | {"a": "b" * 100_000}).encode())
    server.scripts = [answering(content, Content_Encoding="gzip")]
    assert api.get("/x").body["a"] == "b" * 100_000


def test_a_redirect_is_not_followed_with_the_key(server, api):
    server.scripts = [answering({}, 301, Location="http://127.0.0.1:9/elsewhere")]
    with pytest.raises(ApiError, match="answers 301"):
        api.get("/x")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'"x"', b"null", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 404])
def test_what_is_no_json_object_is_not_a_europeana_api(server, api, content, status):
    server.scripts = [answering(content, status)]
    with pytest.raises(ApiError, match=f"answers {status} without a JSON object"):
        api.get("/x", also=(404,))


KEY_ERRORS = [
    (401, {"success": False, "error": "API key is invalid", "code": "401_key_invalid"}),
    (401, {"success": False, "error": "Unauthorized", "code": "invalid_apikey"}),
    (400, {"success": False, "error": "API key is invalid", "code": "401_key_invalid"}),
    (401, {"success": False, "error": "API key doesn't exist", "code": "401-AX"}),
    (401, {"success": False, "error": "Client hunter2 is disabled", "code": "401_key_disabled"}),
    (401, {}),
]


@pytest.mark.parametrize(("status", "body"), KEY_ERRORS)
def test_a_refused_key_says_how_to_get_and_set_one(server, api, status, body):
    server.scripts = [answering(body, status)]
    with pytest.raises(KeyRefusedError, match="get a key at .* set EUROPEANA_API_KEY") as refusal:
        api.get("/x")
    assert "hunter2" not in str(refusal.value)
    assert len(server.requests) == 1


def test_other_refusals_give_the_reason_in_one_short_line(server, api):
    body = {"success": False, "error": "Bad\n  query hunter2" + "x" * 1000, "code": "400-SA"}
    server.scripts = [answering(body, 400)]
    with pytest.raises(ApiError, match=r"answers 400: 400-SA; Bad query \*\*\*x") as refusal:
        api.get("/x")
    assert len(str(refusal.value)) < 400


def test_an_unsuccessful_200_is_an_error(server, api):
    server.scripts = [answering({"success": False, "error": "no"})]
    with pytest.raises(ApiError, match="answers 200: no"):
        api.get("/x")


def test_a_refused_cursor_is_told_apart(server, api):
    server.scripts = [answering({"success": False, "error": "bad", "code": "400-SC"}, 400)]
    with pytest.raises(CursorRefusedError):
        api.get("/x")


def test_expected_statuses_pass_but_not_another_servers(server, api):
    server.scripts = [answering({"success": False}, 404), answering({"detail": "Not Found"}, 404)]
    assert api.get("/x", also=(404,)).status == 404
    with pytest.raises(ApiError, match="answers 404"):
        api.get("/x", also=(404,))


LIMITED = {"success": False, "code": "429_limit_personal", "error": "limit of 1000 requests"}


@pytest.mark.parametrize("status", [429, 401, 400])
def test_a_used_up_quota_is_waited_for_visibly(server, api, status, monkeypatch):
    monkeypatch.setattr(quota, "log", structlog.get_logger())  # the other may be configured
    limited = answering(LIMITED, status, RateLimit='"personal";r=0;t=1')
    server.scripts = [limited, answering(OK)]
    started = time.monotonic()
    with capture_logs() as logs:
        assert api.get("/x").body == OK
    assert 0.9 < time.monotonic() - started < 3
    assert [(entry["event"], entry["seconds"]) for entry in logs] == [
        ("The quota of the API key is used up. The work continues when the quota is renewed.", 1.0)
    ]


def test_waiting_ends_after_the_longest_wait(server, api):
    server.scripts = [answering(LIMITED, 429, RateLimit='"personal";r=0;t=2')]
    with pytest.raises(RateLimitedError):
        api.get("/x")
    assert len(server.requests) == 2


def test_a_wait_that_is_too_long_says_when_the_window_opens(server, api):
    server.scripts = [answering(LIMITED, 429, RateLimit='"personal";r=0;t=1800')]
    opens = datetime.now().astimezone() + timedelta(seconds=1800)
    with pytest.raises(RateLimitedError, match=f"renewed at {opens:%Y-%m-%d %H:}"):
        api.get("/x")


@pytest.mark.parametrize("key", ["a b", "a\nb", "ключ", "a\x00"])
def test_a_key_that_cannot_be_one_is_refused_unshown(key):
    with pytest.raises(UsageError, match="EUROPEANA_API_KEY contains characters") as refusal:
        ApiTransport(ApiSettings(europeana_api_key=key))
    assert key not in str(refusal.value)


@pytest.mark.skipif(not ERRORS.exists(), reason="needs ../shared/europeana")
@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.json")), ids=lambda path: path.stem)
def test_real_error_bodies_are_understood(server, api, path):
    kinds = {"401": KeyRefusedError, "429": RateLimitedError, "400": ApiError, "404": ApiError}
    status = path.name[:3]
    server.scripts = [answering(json.loads(path.read_text()), int(status), Retry_After="99")]
    with pytest.raises(kinds[status]):
        api.get("/x")
