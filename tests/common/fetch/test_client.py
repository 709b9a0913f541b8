import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis.strategies import binary, lists, sampled_from

from common.errors import RecordError, TransientRecordError, UsageError
from common.fetch.client import PictureFetcher, user_agent
from common.process.settings import ImageSettings
from common.reasons import Reason
from tests.common.fetch.conftest import LIMITS
from tests.common.fetch.servers import JPEG, answering, closing, response, serving


def reason_of(fetcher, url) -> str:
    with pytest.raises(RecordError) as caught:
        fetcher.fetch(url)
    error = caught.value
    assert error.stage == "fetch"
    assert isinstance(error, TransientRecordError) == Reason.of(error).passes
    return error.reason


def test_a_picture_is_fetched_with_an_honest_request(serve, fetcher):
    server = serve(answering(response(JPEG, content_type="text/html")))
    fetched = fetcher.fetch(server.url("/ä b.jpg?size=1", host="Museum.example"))
    assert (fetched.content, fetched.format) == (JPEG, "JPEG")
    assert fetched.url == f"http://museum.example:{server.port}/%C3%A4%20b.jpg"
    headers = server.requests[0].headers
    assert server.requests[0].target == "/%C3%A4%20b.jpg?size=1"
    assert headers["host"] == f"museum.example:{server.port}"
    assert headers["user-agent"].startswith("EuropeanaImageEnrichment/")
    assert headers["user-agent"].endswith(" (+https://example.org)")
    assert headers["accept-encoding"] == "identity"
    assert headers.keys().isdisjoint({"cookie", "authorization", "referer"})


def test_a_contact_that_would_break_the_header_is_a_usage_error():
    with pytest.raises(UsageError, match="FETCH_CONTACT"):
        user_agent("x\r\nCookie: y")


def test_settings_decide_about_contact_and_addresses(serve, monkeypatch):
    server = serve(answering(response(JPEG)))
    monkeypatch.setenv("FETCH_ALLOW_ADDRESSES", "127.0.0.0/8")
    monkeypatch.setenv("FETCH_CONTACT", "mailto:a@example.org")
    with PictureFetcher.from_settings(ImageSettings.read()) as fetcher:
        assert fetcher.fetch(server.url()).content == JPEG
    assert "(+mailto:a@example.org)" in server.requests[0].headers["user-agent"]


def test_proxies_of_the_environment_are_not_used(serve, fetcher, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert fetcher.fetch(serve(answering(response(JPEG))).url()).content == JPEG


def test_cookies_are_not_kept(serve, fetcher):
    server = serve(answering(response(JPEG, set_cookie="a=b")))
    for _ in range(2):
        fetcher.fetch(server.url())
    assert "cookie" not in server.requests[1].headers


STATUSES = [
    ("404 Not Found", "not_found"),
    ("410 Gone", "not_found"),
    ("401 Who", "forbidden"),
    ("403 No", "forbidden"),
    ("451 Law", "forbidden"),
    ("429 Slow down", "rate_limited"),
    ("418 Teapot", "http_4xx"),
    ("408 Late", "timeout"),
    ("500 Oops", "server_error"),
    ("503 Busy", "server_error"),
    ("204 Nothing", "unexpected_status"),
    ("206 Partial", "unexpected_status"),
    ("302 Nowhere", "unexpected_status"),
    ("999 Denied", "unexpected_status"),
]


@pytest.mark.parametrize(("status", "reason"), STATUSES)
def test_each_status_has_its_reason(serve, fetcher, status, reason):
    assert reason_of(fetcher, serve(answering(response(JPEG, status=status))).url()) == reason


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("99999999999999999999", 3600),
        ("Fri, 01 Jan 2100 00:00:00 +0000", 3600),
        ("Sat, 01 Jan 2000 00:00:00 +0000", 0),
        ("Fri, 31 Dec 9999 23:59:59 -0000", 3600),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_read_and_capped(serve, fetcher, header, seconds):
    server = serve(answering(response(status="429 Slow down", retry_after=header)))
    with pytest.raises(TransientRecordError) as caught:
        fetcher.fetch(server.url())
    assert caught.value.retry_after == seconds


OK = b"HTTP/1.1 200 OK\r\n"
BODIES = [
    (response(b""), "empty"),
    (response(b"<html>log in"), "not_an_image_html"),
    (response(b"%PDF-1.4", content_type="image/jpeg"), "not_an_image_pdf"),
    (response(JPEG, content_length=str(len(JPEG) + 9)), "truncated"),
    (response(JPEG, content_length="2000001"), "too_large"),
    (response(JPEG, content_encoding="gzip"), "encoding_refused"),
    (response(JPEG, content_encoding="identity, br"), "encoding_refused"),
    (response(JPEG, content_length="", transfer_encoding="gzip, chunked"), "encoding_refused"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n" + JPEG, "truncated"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n" + JPEG, "bad_response"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\nwhat\r\n" + JPEG, "truncated"),
    (OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "bad_response"),
    (OK + b"X: y\r\n" * 200 + b"\r\n", "bad_response"),
    (OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n", "bad_response"),
    (b"220 ftp.example.org ready\r\n", "bad_response"),
    (b"", "connection_lost"),
    (OK, "empty"),
]


@pytest.mark.parametrize(("answer", "reason"), BODIES)
def test_a_faulty_answer_has_its_reason(serve, fetcher, answer, reason):
    assert reason_of(fetcher, serve(closing(answer)).url()) == reason


def test_a_chunked_picture_and_one_without_a_length_are_whole(serve, fetcher):
    chunks = OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(JPEG), JPEG)
    assert fetcher.fetch(serve(answering(chunks)).url()).content == JPEG
    plain = response(JPEG, content_length="")
    assert fetcher.fetch(serve(closing(plain)).url()).content == JPEG


def pouring(start: bytes, endless: bytes):
    """Say the start, and then the rest without end, as fast as it is taken."""

    def answer(request, connection) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(endless)

    return answer


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (OK + b"\r\n" + JPEG, b"\0" * 65536),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(JPEG), JPEG),
         b"400\r\n" + b"\0" * 1024 + b"\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(JPEG), JPEG),
         b"1;" + b"x" * 60_000 + b"\r\n\0\r\n"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(JPEG), JPEG),
         b"Trailer: x\r\n" * 1000),
    ],
)  # fmt: skip
def test_an_endless_answer_ends_at_the_size_limit(serve, fetcher, start, endless):
    assert reason_of(fetcher, serve(pouring(start, endless)).url()) == "too_large"


def test_an_endless_stream_that_is_no_picture_ends_at_once(serve, fetcher):
    server = serve(pouring(OK + b"\r\n", b"\x00\x00\x00\x18ftypmp42" * 1000))
    assert reason_of(fetcher, server.url()) == "not_an_image"


def test_few_large_pictures_are_read_at_a_time(make_fetcher):
    limits = replace(LIMITS, max_bytes=20_000_000, total_seconds=10.0)
    fetcher = make_fetcher(limits=limits, large_bodies=1)
    head = OK + b"Content-Length: 19000000\r\n\r\n" + JPEG
    rest = b"\0" * (19_000_000 - len(JPEG))
    begun, finish = threading.Event(), threading.Event()

    def answer(request, connection) -> None:
        connection.sendall(head + rest[:18_500_000])  # more than the system keeps for a reader
        begun.set()
        finish.wait(5 if request.target == "/held.jpg" else 0)
        connection.sendall(rest[18_500_000:])

    with serving(answer) as server, ThreadPoolExecutor() as pool:
        held = pool.submit(fetcher.fetch, server.url("/held.jpg"))
        assert begun.wait(5)
        waiting = pool.submit(fetcher.fetch, server.url("/waiting.jpg"))
        time.sleep(0.5)
        assert not waiting.done()
        finish.set()
        assert len(held.result().content) == len(waiting.result().content) == 19_000_000


def dripping(start: bytes, drop: bytes = b"x", *, seconds: float = 0.05):
    """Say the start at once, and then a drop every few moments without end."""

    def answer(request, connection) -> None:
        connection.sendall(start)
        while True:
            time.sleep(seconds)
            connection.sendall(drop)

    return answer


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 O",
        OK,
        OK + b"X-Slow: ",
        OK + b"Content-Length: 99999\r\n\r\n" + JPEG[:9],
    ],
    ids=["status", "status-line", "headers", "header", "body"],
)
def test_slow_drip_ends_at_the_deadline_wherever_it_drips(serve, make_fetcher, start):
    fetcher = make_fetcher(limits=replace(LIMITS, total_seconds=0.8))
    server = serve(dripping(start))
    began = time.monotonic()
    assert reason_of(fetcher, server.url()) == "timeout"
    assert time.monotonic() - began < 5  # it would drip for ever


def test_silence_ends_at_the_read_limit(serve, make_fetcher):
    server = serve(lambda request, connection: time.sleep(5))
    began = time.monotonic()
    assert reason_of(make_fetcher(), server.url()) == "timeout"
    assert 0.9 < time.monotonic() - began < 2.0


def test_a_transfer_below_the_minimum_rate_ends_early(serve, make_fetcher):
    limits = replace(LIMITS, min_bytes_per_second=5000, min_rate_after_seconds=0.6)
    server = serve(dripping(OK + b"Content-Length: 99999\r\n\r\n" + JPEG[:9]))
    began = time.monotonic()
    assert reason_of(make_fetcher(limits=limits), server.url()) == "too_slow"
    assert time.monotonic() - began < 2.5  # before the deadline


def test_cancelling_ends_a_waiting_request_within_a_moment(serve, fetcher):
    server = serve(dripping(OK))
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(TransientRecordError, match="cancelled"):
        fetcher.step(fetcher.request(server.url()), cancelled)
    assert time.monotonic() - began < 2.5  # before the deadline


def redirecting(*locations: str):
    """Redirect each request to the next location, then serve the picture."""
    left = list(locations)

    def answer(request, connection) -> None:
        location = left.pop(0) if left else None
        moved = response(b"moved", status="302 Found", location=location or "x")
        connection.sendall(moved if location else response(JPEG))

    return answer


def test_redirects_are_followed_over_one_connection(serve, fetcher):
    server = serve(redirecting("/b c.jpg", "d?wskey=k", "//127.0.0.1:{port}/e"))
    with pytest.raises(RecordError, match="invalid_url"):
        fetcher.fetch(server.url())
    server = serve(redirecting("/b c.jpg", "ü.jpg", "d?wskey=k"))
    assert fetcher.fetch(server.url()).url == server.url("/d")
    targets = [request.target for request in server.requests]
    assert targets == ["/picture.jpg", "/b%20c.jpg", "/%C3%BC.jpg", "/d?wskey=k"]
    assert server.connections == 1


def test_a_redirect_loop_ends(serve, fetcher):
    server = serve(answering(response(status="301 Moved", location="/again")))
    assert reason_of(fetcher, server.url()) == "too_many_redirects"
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", "address_refused"),
        ("http://[::1]/", "address_refused"),
        ("http://[64:ff9b::a9fe:a9fe]/", "address_refused"),
        ("http://[::ffff:10.0.0.1]/", "address_refused"),
        ("http://10.0.0.1:6379/", "address_refused"),
        ("http://8.8.8.8:6379/", "port_refused"),
        ("http://2852039166/", "invalid_url"),
        ("http://0xa9fea9fe/", "invalid_url"),
        ("http://user:pw@127.0.0.1/", "invalid_url"),
        ("ftp://127.0.0.1/x", "unsupported_scheme"),
        ("file:///etc/passwd", "unsupported_scheme"),
    ],
)
def test_redirects_lead_to_no_forbidden_place(serve, fetcher, location, reason):
    assert reason_of(fetcher, serve(redirecting(location)).url()) == reason


def test_a_name_that_changes_its_address_is_connected_where_it_was_checked(serve, make_fetcher):
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    server = serve(answering(response(JPEG)))
    fetcher = make_fetcher(lookup=lambda host: answers.pop(0))
    assert fetcher.fetch(server.url(host="rebinding.example")).content == JPEG
    assert len(answers) == 1, "a second look-up would have been a second answer"
    assert reason_of(fetcher, server.url(host="rebinding.example")) == "address_refused"
    assert len(server.requests) == 1


def test_an_open_connection_is_not_used_for_an_address_that_is_not_there_any_more(
    serve, make_fetcher
):
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    server = serve(answering(response(JPEG)))
    fetcher = make_fetcher(lookup=lambda host: answers.pop(0))
    fetcher.fetch(server.url(host="moving.example"))
    assert reason_of(fetcher, server.url(host="moving.example")) == "connect"


def test_private_addresses_are_refused_by_default(serve, make_fetcher):
    server = serve(answering(response(JPEG)))
    assert reason_of(make_fetcher(allowed=""), server.url()) == "address_refused"
    assert server.connections == 0


def test_the_next_address_is_tried_when_one_does_not_answer(serve, make_fetcher):
    server = serve(answering(response(JPEG)))
    fetcher = make_fetcher(lookup=lambda host: ["10.0.0.1", "127.0.0.9", "127.0.0.1"])
    assert fetcher.fetch(server.url(host="two.example")).content == JPEG


def test_names_that_do_not_resolve_are_transient(make_fetcher):
    def fails(host):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    assert reason_of(make_fetcher(lookup=fails), "http://no.example/x.jpg") == "dns"
    assert reason_of(make_fetcher(lookup=lambda host: []), "http://a.org/x.jpg") == "dns"


def test_a_look_up_that_hangs_is_given_up(make_fetcher):
    released = threading.Event()
    fetcher = make_fetcher(lookup=lambda host: released.wait(5) and [])
    began = time.monotonic()
    assert reason_of(fetcher, "http://slow.example/x.jpg") == "dns"
    assert time.monotonic() - began < 4
    released.set()


def test_a_refused_connection_is_transient(fetcher):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        port = taken.getsockname()[1]
        assert reason_of(fetcher, f"http://127.0.0.1:{port}/x.jpg") == "connect"


def test_connections_are_kept_open(serve, fetcher):
    server = serve(answering(response(JPEG)))
    for _ in range(5):
        fetcher.fetch(server.url())
    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_that_its_host_closed_in_the_meantime_costs_nothing(serve, fetcher):
    server = serve(closing(response(JPEG)))
    for _ in range(3):
        assert fetcher.fetch(server.url()).content == JPEG
    assert server.connections == 3


def test_a_connection_that_breaks_when_used_again_is_replaced(serve, fetcher):
    def answer(request, connection) -> None:
        if request.target == "/first":
            connection.sendall(response(JPEG))
        elif len(server.requests) == 2:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(response(JPEG))

    server = serve(answer)
    fetcher.fetch(server.url("/first"))
    assert fetcher.fetch(server.url("/second")).content == JPEG
    assert server.connections == 2


def test_an_answer_longer_than_announced_does_not_spoil_the_next_one(serve, fetcher):
    server = serve(answering(response(JPEG, content_length=str(len(JPEG) - 5))))
    for _ in range(2):
        assert fetcher.fetch(server.url()).content == JPEG[:-5]


@pytest.mark.parametrize("header", ["Bad Header\r\n", ": x\r\n", "\x00\r\n", "é: \xff\r\n"])
def test_nothing_that_is_written_shows_a_key(serve, fetcher, header, caplog):
    answer = OK + b"Content-Length: 4\r\n" + header.encode("latin-1") + b"\r\nnope"
    with pytest.raises(RecordError) as caught:
        fetcher.fetch(serve(answering(answer)).url("/x.jpg?wskey=hidden"))
    assert caught.value.reason == "not_an_image"
    assert "/x.jpg" in caught.value.detail
    assert "hidden" not in str(caught.value) + caught.value.detail + caplog.text


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    lists(
        sampled_from([
            b"HTTP/1.1 ", b"200 OK", b"302 x", b"\r\n", b"\r\n\r\n", b"Location: ", b"http://[",
            b"Content-Length: ", b"-1", b"999", b"Transfer-Encoding: chunked", b"ff", b"0",
            b"Content-Encoding: ", b"Retry-After: ", b"9" * 400, b"\x00", b"\xff\xfe", JPEG,
        ])
        | binary(max_size=20),
        max_size=12,
    ).map(b"".join)
)  # fmt: skip
@example(b"HTTP/1.1 302 x\r\nLocation: http://[\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 400 + b"\r\nx")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
def test_whatever_a_server_says_only_our_errors_come_out(make_fetcher, said):
    with serving(closing(said)) as server, suppress(RecordError):
        make_fetcher().fetch(server.url())
