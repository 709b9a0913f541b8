import string
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis.strategies import sampled_from, text

from common.errors import RecordError
from common.fetch.urls import MAX_LENGTH, CheckedUrl, host_of

REPAIRED = [
    ("http://a.org", "http://a.org/"),
    ("  HTTP://A.Org:80/x.jpg\n", "http://a.org/x.jpg"),
    ("https://a.org:443/x#top", "https://a.org/x"),
    ("http://a.org/a b.jpg?q=ü x", "http://a.org/a%20b.jpg?q=%C3%BC%20x"),
    ("http://a.org/100%.jpg", "http://a.org/100%25.jpg"),
    ("http://a.org/a%20b%zz", "http://a.org/a%20b%25zz"),
    ("http://a.org/%c3%bc", "http://a.org/%c3%bc"),
    ("http://münchen.example/x", "http://xn--mnchen-3ya.example/x"),
    ("http://a.org./x", "http://a.org/x"),
    ("http://under_score.a.org/x", "http://under_score.a.org/x"),
    ("http://a.org:8080?x=1", "http://a.org:8080/?x=1"),
    ("http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
    ("http://a.org/a\r\nX-Header: 1", "http://a.org/aX-Header:%201"),
]
INVALID = [
    "http://",
    "http:///x.jpg",
    "http:a.org/x",
    "http://user:secret@a.org/x",
    "http://a.org\\@b.org/x",
    "http://a b.org/x",
    "http://%31%32%37.0.0.1/",
    "http://a..org/",
    "http://.org/",
    "http://-.org/",
    "http://a.org:0/",
    "http://a.org:99999/",
    "http://a.org:port/",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    "http://[v1.x]/",
    "http://" + "a" * 64 + ".org/",
    "http://" + "a." * 127 + "org/",
    "http://a.org/" + "x" * MAX_LENGTH,
    "http://a.org/\ud800",
    "http://xn--.ü/",
]
DISGUISED = [
    "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5",
    "256.1.1.1", "0x", "１２７.１", "a.0x7f",
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), REPAIRED)
def test_urls_are_repaired_as_browsers_do(written, meant):
    assert CheckedUrl.parse(written).full == meant


@pytest.mark.parametrize("url", INVALID)
def test_invalid_urls_are_refused(url):
    with pytest.raises(RecordError) as caught:
        CheckedUrl.parse(url)
    assert caught.value.reason == "invalid_url"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", DISGUISED)
def test_addresses_in_disguise_are_refused(host):
    with pytest.raises(RecordError, match="invalid_url"):
        CheckedUrl.parse(f"http://{host}/")


def test_digits_of_other_scripts_mean_the_address_that_they_spell():
    assert CheckedUrl.parse("http://１２７。０.０.１/").host == "127.0.0.1"


@pytest.mark.parametrize(
    "url", ["ftp://a.org/x", "file:///etc/passwd", "data:image/png,x", "a.org/x"]
)
def test_only_http_and_https_are_fetched(url):
    with pytest.raises(RecordError) as caught:
        CheckedUrl.parse(url)
    assert caught.value.reason == "unsupported_scheme"


@given(
    text(alphabet=string.printable + "äß漢%\u200d\ud800", max_size=60),
    sampled_from(["", "http://", "https://a.org", "http://a.org/", "http://a.org/?", "http://["]),
)
@example("?a=%", "http://a.org/")
def test_a_repaired_url_is_plain_ascii_and_stays_as_it_is(rest, start):
    with suppress(RecordError):
        url = CheckedUrl.parse(start + rest)
        assert url.full.isascii()
        assert url.full.isprintable()
        assert " " not in url.full
        assert CheckedUrl.parse(url.full) == url


@given(text(max_size=40))
def test_any_redirect_leads_to_a_sound_url_or_to_our_error(location):
    with suppress(RecordError):
        CheckedUrl.parse("https://a.org/dir/x?wskey=k").join(location)


def test_a_url_never_shows_its_query():
    url = CheckedUrl.parse("https://a.org/x.jpg?wskey=hidden")
    assert str(url) == "https://a.org/x.jpg"
    assert "hidden" not in repr(url)


def test_http_and_https_of_a_name_count_as_one_host_and_other_ports_do_not():
    keys = [CheckedUrl.parse(f"{start}/").host_key for start in ("http://a.org", "https://a.org")]
    assert keys == ["a.org", "a.org"]
    assert CheckedUrl.parse("http://a.org:8080/").host_key == "a.org:8080"


@pytest.mark.parametrize(
    "start",
    [
        "http://müller.example",
        "HTTPS://MÜLLER.example:443",
        " http://xn--mller-kva.example:80",
        "https://me:secret@xn--mller-kva.EXAMPLE.",
    ],
)
def test_a_host_has_one_name_however_it_is_written(start):
    assert host_of(start) == CheckedUrl.parse("http://müller.example/").host_key


@pytest.mark.parametrize(
    ("start", "host"),
    [
        (None, ""),
        ("", ""),
        ("http://", ""),
        ("ftp://A.org", "a.org"),
        ("http://me:secret@A_.org:port", "a_.org:port"),
    ],
)
def test_a_host_that_is_not_sound_is_told_as_it_is_without_credentials(start, host):
    assert host_of(start) == host
