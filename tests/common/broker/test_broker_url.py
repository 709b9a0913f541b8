"""BROKER_URL: what is refused before anything is done, and whose certificate is believed."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from common.broker import check_broker
from common.broker.broker_url import BrokerUrl, read_broker_url
from common.errors import BrokerError, UsageError
from common.process.settings import BrokerSettings
from deploy.local import Services
from tests.certificates import needs_openssl, self_signed
from tests.common.broker.tls_door import open_door


def read(url: str) -> BrokerUrl:
    return read_broker_url(BrokerSettings(broker_url=SecretStr(url)))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://x", "begins with http"),
        ("redis://host:6379/seven", "number of a database after the host, as in redis:"),
        ("rediss://host/0?ssl_cert_reqs=optional", r"`required` \(the default\) or `none`"),
        ("amqps://host//?ssl_version=3", "has ssl_version, which is unknown"),
        ("redis://host/0?ssl_ca_certs=/ca.crt", "has ssl_ca_certs, which is unknown"),
        ("redis://:p@host/0?word=x", "has an option, which is unknown. Known are heartbeat"),
        ("amqp://host//?heartbeat=often", "heartbeat in BROKER_URL must be a number"),
    ],
)
def test_a_wrong_url_is_refused(url: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read(url)


@pytest.mark.parametrize(
    "url", ["redis://host", "redis://host/", "redis://:p@host:1/15", "redis+socket:///tmp/x.sock"]
)
def test_a_url_without_tls_stays_as_it_is(url: str) -> None:
    assert read(url) == BrokerUrl(url=url, tls=False)


def test_what_is_no_option_of_tls_stays_in_the_url() -> None:
    found = read("amqps://u:p%40@host//?heartbeat=30&ssl_ca_certs=%2Fca.crt")
    assert found.url == "amqps://u:p%40@host//?heartbeat=30"
    assert found.tls == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": "host",
        "ca_certs": "/ca.crt",
    }


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a fresh certificate of `localhost`, its key in the same file."""
    return self_signed(tmp_path_factory.mktemp("tls") / "broker.pem", "localhost")


@pytest.fixture
def port(broker_url: str, services: Services, certificate: Path) -> Iterator[int]:
    """Where the Valkey is reached by TLS."""
    with open_door(services.broker.socket_path, certificate) as number:
        yield number


def connect(url: str) -> str:
    """What is wrong with the connection, if anything is."""
    try:
        check_broker(BrokerSettings(broker_url=SecretStr(url)))
    except BrokerError as error:
        return str(error)
    return ""


@pytest.mark.slow
@needs_openssl
@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_the_certificate_must_be_of_a_known_authority_and_of_the_host(
    port: int, certificate: Path, scheme: str
) -> None:
    assert "certificate verify failed" in connect(f"{scheme}://localhost:{port}/0")
    known = f"ssl_ca_certs={certificate}"
    assert "certificate" not in connect(f"{scheme}://localhost:{port}/0?{known}")
    other = connect(f"{scheme}://127.0.0.1:{port}/0?{known}")
    assert "certificate verify failed" in other


@needs_openssl
def test_a_known_authority_gives_a_connection(
    port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connect(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}") == ""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert connect(f"rediss://localhost:{port}/0") == ""


@needs_openssl
def test_who_believes_any_certificate_is_warned(port: int) -> None:
    with capture_logs() as logs:
        assert connect(f"rediss://localhost:{port}/0?ssl_cert_reqs=none") == ""
    assert ["any certificate" in entry["event"] for entry in logs] == [True]
