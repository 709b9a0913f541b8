"""Mutated answers of an image host, over a real socket."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from common.errors import RecordError
from common.fetch.addresses import AddressPolicy, NameResolver
from common.fetch.client import PictureFetcher
from common.reasons import Reason
from tests.common.fetch.conftest import LIMITS
from tests.common.fetch.servers import JPEG, Request, response, serving
from tests.fuzz.trying import TIMEOUT, try_mutations

pytestmark = [pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(TIMEOUT)]
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(JPEG), JPEG)
SEEDS = (
    response(JPEG, content_type="image/jpeg"),
    response(CHUNKS, content_length="", transfer_encoding="chunked"),
    response(CHUNKS, content_length="", transfer_encoding="chunked", trailer="x")[:-2]
    + b"x: y\r\n\r\n",
    response(JPEG, content_length=""),
    b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + response(JPEG),
    response(b"", status="301 Moved", location="/elsewhere.jpg"),
    response(b"", status="302 Found", location="//other.example/é ?x"),
    response(b"no", status="429 Slow down", retry_after="Fri, 01 Jan 2100 00:00:00 +0000"),
    response(JPEG, content_encoding="gzip", set_cookie="a=b"),
    response(JPEG, status="206 Partial", content_range="bytes 0-9/10"),
    b"HTTP/1.0 200 OK\n\n" + JPEG,
    b"HTTP/1.1 200\r\ncontent-length: 3\r\n folded\r\n\r\nabc",
)


class Host:
    """Says `content` to every request and hangs up."""

    content = b""

    def __call__(self, _: Request, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(self.content)
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def fetcher() -> Iterator[PictureFetcher]:
    """A fetcher for which every name leads here."""
    with PictureFetcher(
        user_agent="fuzz",
        policy=AddressPolicy.parse("127.0.0.0/8"),
        limits=LIMITS,
        resolver=NameResolver(lambda _: ["127.0.0.1"], seconds_kept=60.0),
    ) as fetcher:
        yield fetcher


def test_a_mutated_answer_is_a_picture_or_has_a_reason(fetcher: PictureFetcher) -> None:
    host = Host()
    with serving(host) as server:

        def try_one(content: bytes) -> None:
            host.content = content
            try:
                found = fetcher.fetch(server.url())
            except RecordError as error:
                assert error.stage == "fetch"
                assert Reason.of(error)
            else:
                assert 0 < len(found.content) <= LIMITS.max_bytes
                assert found.url.startswith("http")

        try_mutations(SEEDS, try_one, seconds_each=10 * LIMITS.total_seconds)
