"""URLs of services: whatever is wrong with one, no message shows its password."""

import pytest

from common.broker import check_broker
from common.errors import EnrichmentError, UsageError
from common.process.service_urls import check_service_url, shown
from common.process.settings import BrokerSettings, StoreSettings
from common.store.session import open_store

HERE = "127.0.0.1:1"  # where nobody listens
PASSWORDS = (
    "s3cret",
    "s3@cret",
    "s3/cret",
    "s3#cret",
    "s3?cret",
    "s3%40cret",
    "s3:cret",
    "s3 cret",
)
FORMS = (
    f"SCHEME://u:PASSWORD@{HERE}/0",
    "SCHEME://u:PASSWORD@127.0.0.1:port/0",
    "SCHEME://u:PASSWORD@127.0.0.1:99999999/0",
    "SCHEME://u:PASSWORD@[::1/0",
    f"SCHEME://{HERE}/0?password=PASSWORD",
    f"sqs://u:PASSWORD@{HERE}/0",
    "PASSWORD",
    "://PASSWORD",
)
CASES = [form.replace("PASSWORD", password) for form in FORMS for password in PASSWORDS]


def assert_tells_no_secret(error: Exception) -> None:
    """No part of a password that an unescaped sign cuts off either."""
    assert "s3" not in str(error)
    assert "cret" not in str(error)


@pytest.mark.parametrize("case", CASES)
def test_no_error_about_the_database_shows_its_password(case: str) -> None:
    url = case.replace("SCHEME", "postgresql")
    with pytest.raises(EnrichmentError) as caught:
        open_store(StoreSettings.model_validate({"database_url": url}))
    assert_tells_no_secret(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("case", CASES)
def test_no_error_about_the_broker_shows_its_password(case: str, scheme: str) -> None:
    url = case.replace("SCHEME", scheme)
    with pytest.raises(EnrichmentError) as caught:
        check_broker(BrokerSettings.model_validate({"broker_url": url}))
    assert_tells_no_secret(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%40ss@db.example:5432/store",
        "postgresql+psycopg2://postgres@/test?host=/tmp/run&port=5432",
        "postgresql://[::1]:5432/store",
        "postgresql:///store",
    ],
)
def test_a_sound_url_passes(url: str) -> None:
    check_service_url(url, variable="X", schemes=("postgresql",), example="postgresql://host/db")


def test_a_url_that_is_no_text_is_refused() -> None:
    """As Python reads a byte that is no UTF-8 from the environment."""
    url = "postgresql://user:p\udcff@db.example/store"
    with pytest.raises(UsageError, match="X is malformed"):
        check_service_url(url, variable="X", schemes=("postgresql",), example="an example")


def test_another_kind_of_service_is_named() -> None:
    with pytest.raises(UsageError, match="X begins with mysql; expected postgresql://host/db"):
        check_service_url(
            "mysql://u:p@h/x", variable="X", schemes=("postgresql",), example="postgresql://host/db"
        )


def test_only_scheme_host_port_and_path_are_shown() -> None:
    assert shown("postgresql://u:p@db.example:5432/store?sslkey=k") == (
        "postgresql://db.example:5432/store"
    )
