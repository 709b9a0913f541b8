import ssl
import time
from dataclasses import replace

import pytest

from common.errors import RecordError
from tests.certificates import needs_openssl, self_signed
from tests.common.fetch.conftest import LIMITS
from tests.common.fetch.servers import JPEG, OTHER_JPEG, answering, response, serving

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The path of a fresh certificate of museum.example, its key in the same file."""
    return self_signed(tmp_path_factory.mktemp("tls") / "museum.pem", "museum.example")


@pytest.fixture
def server_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate):
    return ssl.create_default_context(cafile=certificate)


def https(server, host="museum.example"):
    return server.url(host=host).replace("http:", "https:")


def test_the_name_is_asked_for_and_verified_though_the_address_is_pinned(
    server_context, trusting, make_fetcher
):
    asked = []
    server_context.sni_callback = lambda connection, name, context: asked.append(name)
    fetcher = make_fetcher(ssl_context=trusting)
    with serving(answering(response(JPEG)), server_context) as server:
        for _ in range(3):
            assert fetcher.fetch(https(server)).content == JPEG
    assert asked == ["museum.example"]
    assert server.requests[0].headers["host"] == f"museum.example:{server.port}"


def test_a_certificate_of_another_name_is_refused(server_context, trusting, make_fetcher):
    with serving(answering(response(JPEG)), server_context) as server:
        with pytest.raises(RecordError, match="^tls: "):
            make_fetcher(ssl_context=trusting).fetch(https(server, "other.example"))
        with pytest.raises(RecordError, match="^tls: "):
            make_fetcher(ssl_context=trusting).fetch(https(server, "127.0.0.1"))
    assert server.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused(server_context, make_fetcher):
    with (
        serving(answering(response(JPEG)), server_context) as server,
        pytest.raises(RecordError, match="^tls: "),
    ):
        make_fetcher().fetch(https(server))
    assert server.requests == []


def test_a_server_without_tls_is_refused(make_fetcher, serve):
    server = serve(answering(response(JPEG)))
    with pytest.raises(RecordError, match="^(tls|connection_lost|connect): "):
        make_fetcher().fetch(https(server))


def test_the_deadline_holds_within_tls(server_context, trusting, make_fetcher):
    def drip(request, connection) -> None:
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    fetcher = make_fetcher(ssl_context=trusting, limits=replace(LIMITS, total_seconds=0.8))
    began = time.monotonic()
    with serving(drip, server_context) as server, pytest.raises(RecordError, match="^timeout: "):
        fetcher.fetch(https(server))
    assert time.monotonic() - began < 5  # it would drip for ever


def test_what_waits_over_tls_ends_a_connection_and_a_session_ticket_does_not(
    server_context, trusting, make_fetcher
):
    fetcher = make_fetcher(ssl_context=trusting)
    server_context.num_tickets = 2  # said after the handshake, in the midst of silence
    with serving(answering(response(JPEG)), server_context) as server:
        for _ in range(3):
            assert fetcher.fetch(https(server)).content == JPEG
    assert server.connections == 1
    for excess in (
        response(OTHER_JPEG),
        b"x" * 20_000,
    ):  # beyond the reader's buffer, in one record
        with serving(answering(response(JPEG) + excess), server_context) as server:
            for _ in range(3):
                assert fetcher.fetch(https(server)).content == JPEG
        assert server.connections == 3
