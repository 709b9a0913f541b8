"""What browsers are told to keep."""

from http.cookies import SimpleCookie

import pytest
from starlette.requests import Request
from starlette.responses import Response

from desk.access.cookies import Cookie, Cookies


def given(cookie: Cookie, value: str | None) -> str:
    response = Response()
    if value is None:
        cookie.remove(response)
    else:
        cookie.give(response, value)
    return response.headers["set-cookie"].lower()


def asking(header: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", header.encode("latin-1"))]})


@pytest.mark.parametrize("name", ["session", "form", "departure", "browser"])
@pytest.mark.parametrize("value", ["a-token_1.~%2F", None])
def test_no_script_and_no_other_site_has_a_cookie(name: str, value: str | None) -> None:
    for is_https in (True, False):
        cookie: Cookie = getattr(Cookies.of(is_https=is_https), name)
        told = [part.strip() for part in given(cookie, value).split(";")]
        assert {"httponly", "samesite=lax", "path=/"} <= set(told)
        assert ("secure" in told) == cookie.name.startswith("__Host-") == is_https
        assert not [part for part in told if part.startswith("domain")]


def test_a_session_lasts_as_long_as_the_browser_and_a_departure_ten_minutes() -> None:
    cookies = Cookies.of(is_https=True)
    assert "max-age" not in given(cookies.session, "x")
    assert "max-age=600" in given(cookies.departure, "x")
    assert "max-age=0" in given(cookies.session, None)


def test_what_was_given_is_read_and_nothing_else() -> None:
    cookie = Cookies.of(is_https=False).session
    sent = SimpleCookie(given(cookie, "token"))[cookie.name].OutputString()
    assert cookie.read(asking(sent.partition(";")[0])) == "token"
    for header in ("", "desk=", 'desk="a b"', "desk=a/b", "desk=é", "__Host-desk=token", "desk"):
        assert cookie.read(asking(header)) is None
    assert cookie.read(asking("desk=" + "x" * 3001)) is None


@pytest.mark.parametrize("value", ["a; Domain=evil.example", "a\r\nSet-Cookie: b=c", "", "é", "/"])
def test_no_value_of_ours_says_more_than_itself(value: str) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        Cookies.of(is_https=True).form.give(Response(), value)
