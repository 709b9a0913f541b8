"""Mutated addresses of pictures."""

import pytest

from common.errors import RecordError
from common.fetch.urls import MAX_LENGTH, CheckedUrl, host_of
from common.reasons import Reason
from tests.fuzz.trying import TIMEOUT, try_mutations

pytestmark = [pytest.mark.slow, pytest.mark.fuzz, pytest.mark.timeout(TIMEOUT)]
SEEDS = (
    "http://museum.example/a/b.jpg",
    "https://museum.example:8443/a%20b.jpg?size=1&key=x#part",
    "http://[2001:db8::1]:80/a",
    "http://192.0.2.1/../a;b",
    "http://0x7f.1/",
    "https://müller.example/ü b.jpg",
    "https://xn--mller-kva.example./%zz",
    "http://user:pass@museum.example/",
    "ftp://museum.example/a.jpg",
    "//museum.example/a.jpg",
    "http:\\\\museum.example\\a",
    "http://日本。example/٣",
    "http://ﬀ.example:٣٤/",
)


def try_one(content: bytes) -> None:
    for text in (content.decode(errors="surrogateescape"), content.decode("latin-1")):
        host_of(text)
        try:
            url = CheckedUrl.parse(text)
        except RecordError as error:
            assert error.stage == "fetch"
            assert Reason.of(error)
            continue
        assert url.full.isascii()
        assert not {" ", "\r", "\n", "\0"} & set(url.full)
        if len(url.full) <= MAX_LENGTH:
            assert CheckedUrl.parse(url.full) == url
        assert "?" not in str(url)
        try:
            CheckedUrl.parse(SEEDS[0]).join(text)
            url.join(text[::-1])
        except RecordError:
            pass


def test_a_mutated_address_is_sound_or_refused() -> None:
    try_mutations([text.encode() for text in SEEDS], try_one, seconds_each=2)
