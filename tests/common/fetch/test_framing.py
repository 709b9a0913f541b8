"""The picture of /a is never taken for that of /b, whatever comes before, with or after it."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from ipaddress import IPv4Address

import pytest

from common.errors import RecordError
from common.fetch.client import PictureFetcher
from common.fetch.connections import PinnedConnection, Transfer
from common.fetch.framing import MOST_INTERIM
from common.fetch.urls import CheckedUrl
from tests.common.fetch.conftest import LIMITS
from tests.common.fetch.servers import JPEG, OTHER_JPEG, Server, response

A, B = JPEG, OTHER_JPEG
EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(A), A)
LATE_SECONDS = 0.15


class TwoPictures:
    """Says `answer` to /a, then `late` after a while; the picture B to all else."""

    def __init__(self, answer: bytes, late: bytes = b"") -> None:
        self._answer = answer
        self._late = late
        self.has_said_all = threading.Event()

    def __call__(self, request, connection: socket.socket) -> None:
        if request.target != "/a":
            connection.sendall(response(B))
            return
        connection.sendall(self._answer)
        if self._late:
            time.sleep(LATE_SECONDS)
            connection.sendall(self._late)
        self.has_said_all.set()


def content_of(fetcher: PictureFetcher, server: Server, target: str) -> bytes | str:
    """The picture, or why there is none."""
    try:
        return fetcher.fetch(server.url(target)).content
    except RecordError as error:
        return error.reason


INTERIM = {
    "early-hints": EARLY_HINTS,
    "processing": PROCESSING,
    "continue": CONTINUE,
    "unknown": b"HTTP/1.1 199 Whatever\r\n\r\n",
    "many": EARLY_HINTS * MOST_INTERIM,
}


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
def test_interim_answers_are_skipped_and_the_connection_is_kept(serve, fetcher, interim, late):
    said = (interim, response(A)) if late else (interim + response(A), b"")
    server = serve(TwoPictures(*said))
    assert [content_of(fetcher, server, target) for target in ("/a", "/b", "/b")] == [A, B, B]
    assert server.connections == 1


NO_FINAL_ANSWER = {
    "too-many": EARLY_HINTS * (MOST_INTERIM + 1) + response(A),
    "too-many-of-100": CONTINUE * (MOST_INTERIM + 1) + response(A),
    "endless": CONTINUE * 10_000,
    "switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + response(A),
}


@pytest.mark.parametrize("answer", NO_FINAL_ANSWER.values(), ids=NO_FINAL_ANSWER)
def test_too_many_interim_answers_and_a_switch_of_protocols_are_no_answer(serve, fetcher, answer):
    server = serve(TwoPictures(answer))
    assert content_of(fetcher, server, "/a") == "bad_response"
    assert content_of(fetcher, server, "/b") == B
    assert server.connections == 2


SECOND_ANSWERS = {
    "unasked": (response(A), response(A), A),
    "length-too-short": (response(A + A, content_length=str(len(A))), b"", A),
    "a-line-too-many": (response(A) + b"\r\n", b"", A),
    "after-chunks": (CHUNKED + b"\r\n", response(A), A),
    "after-chunks-and-trailers": (CHUNKED + b"X-Sum: 1\r\n\r\n", response(A), A),
    "after-chunks-without-an-end": (CHUNKED + response(A), response(A), A),
    "after-nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", response(A), "unexpected_status"),
    "after-not-modified": (b"HTTP/1.1 304 x\r\n\r\n", response(A), "unexpected_status"),
    "after-a-failure": (response(b"no", status="404 No"), response(A), "not_found"),
    "after-a-reset-of-form": (response(status="205 x"), response(A), "unexpected_status"),
    "with-a-length-of-chunks": (
        CHUNKED.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1) + b"\r\n",
        response(A),
        A,
    ),
    "with-two-lengths": (response(A, Content_Length="5"), response(A), "bad_response"),
    "with-a-length-that-only-python-reads": (
        response(A, content_length=f"+{len(A)}"),
        response(A),
        A,
    ),
    "http-1.0": (
        response(A, connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
        response(A),
        A,
    ),
}


@pytest.mark.parametrize(
    ("answer", "second", "outcome"), SECOND_ANSWERS.values(), ids=SECOND_ANSWERS
)
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "late"])
def test_a_second_answer_to_one_request_answers_no_other(
    serve, fetcher, answer, second, outcome, late
):
    pictures = TwoPictures(answer, second) if late else TwoPictures(answer + second)
    server = serve(pictures)
    assert content_of(fetcher, server, "/a") == outcome
    assert pictures.has_said_all.wait(5)
    time.sleep(0.02)  # on its way to us
    assert [content_of(fetcher, server, "/b") for _ in range(2)] == [B, B]
    assert server.connections == 2


def test_what_comes_right_after_chunks_ends_the_connection_before_the_rest_comes(serve, fetcher):
    def answer(request, connection: socket.socket) -> None:
        if request.target != "/a":
            connection.sendall(response(B))
            return
        connection.sendall(CHUNKED + b"\r\nHTTP/1.1 200 OK\r\n")  # begins to answer twice
        time.sleep(LATE_SECONDS)
        connection.sendall(response(A))

    server = serve(answer)
    assert [content_of(fetcher, server, target) for target in ("/a", "/b")] == [A, B]
    assert server.connections == 2


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_that_errs_about_its_body_answers_no_request_under_way(serve, fetcher, status):
    server = serve(TwoPictures(f"HTTP/1.1 {status}\r\n\r\n".encode(), response(A)))
    assert content_of(fetcher, server, "/a") == "unexpected_status"
    assert content_of(fetcher, server, "/b") == B  # asked before the late answer comes


ENDS = {
    "without-a-length": response(A, content_length=""),
    "that-closes": response(A, connection="close"),
    "of-http-1.0": response(A).replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("answer", ENDS.values(), ids=ENDS)
def test_an_answer_that_ends_with_its_connection_leaves_none(serve, fetcher, answer):
    def answer_and_close(request, connection: socket.socket) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    server = serve(answer_and_close)
    assert [content_of(fetcher, server, "/a") for _ in range(3)] == [A, A, A]
    assert server.connections == 3


KEPT = {
    "with-a-length": response(A),
    "in-chunks": CHUNKED + b"\r\n",
    "in-chunks-with-trailers": CHUNKED + b"X-Sum: 1\r\n\r\n",
    "of-http-1.0": response(A, connection="keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("answer", KEPT.values(), ids=KEPT)
def test_a_whole_answer_leaves_its_connection_for_the_next(serve, fetcher, answer):
    server = serve(TwoPictures(answer))
    assert [content_of(fetcher, server, target) for target in ("/a", "/a", "/b")] == [A, A, B]
    assert server.connections == 1


def test_a_host_that_answers_before_it_is_asked_is_refused():
    spoken = threading.Event()

    class Patient(PinnedConnection):
        def connect(self) -> None:
            super().connect()
            assert spoken.wait(5)
            time.sleep(0.02)  # on its way to us

    def speak_first() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(response(A))
            spoken.set()
            connection.recv(1000)

    transfer = Transfer(LIMITS, seconds_left=5.0, cancelled=threading.Event())
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        pool.submit(speak_first)
        url = CheckedUrl.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/b")
        connection = Patient(url, IPv4Address("127.0.0.1"), transfer)
        with closing(connection), pytest.raises(HTTPException, match="before the request"):
            connection.open()
