"""Requests of other sites change nothing."""

from collections.abc import Mapping

import pytest
from starlette.datastructures import Headers

from common.errors import ForgedRequestError
from desk.access.csrf import HEADER, check_request, word_for

OURS = "https://desk.museum.example"
BROWSER = {"origin": OURS, "sec-fetch-site": "same-origin"}


def check(
    headers: Mapping[str, str], *, word: str | None = "word", sent: str | None = "word"
) -> None:
    check_request(Headers(dict(headers)), origin=OURS, word=word, sent=sent)


@pytest.mark.parametrize(
    "headers", [BROWSER, {}, {"origin": OURS}, {"sec-fetch-site": "none"}], ids=str
)
def test_our_own_forms_are_taken(headers: dict[str, str]) -> None:
    check(headers)
    check(headers | {HEADER: "word"}, sent=None)
    check(headers | {"X-CSRF": "word"}, sent="")


@pytest.mark.parametrize("sent", [None, "", "wore", "word ", "é", "\ud800", "w" * 100_000])
def test_a_missing_or_wrong_word_is_refused(sent: str | None) -> None:
    with pytest.raises(ForgedRequestError, match="Load the page again"):
        check(BROWSER, sent=sent)


@pytest.mark.parametrize("word", [None, ""])
@pytest.mark.parametrize("sent", [None, "", "None"])
def test_without_a_word_of_ours_nothing_is_right(word: str | None, sent: str | None) -> None:
    with pytest.raises(ForgedRequestError):
        check(BROWSER, word=word, sent=sent)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://desk.museum.example"},
        {"origin": "https://desk.museum.example:444"},
        {"origin": "https://desk.museum.example.evil.example"},
        {"origin": OURS, "sec-fetch-site": "cross-site"},
        {"origin": OURS, "sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_another_origin_is_refused_even_with_the_word(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedRequestError, match=f"Open the desk as {OURS}"):
        check(headers)


def test_the_word_before_a_session_is_of_its_cookie_and_does_not_tell_it() -> None:
    word = word_for("a cookie")
    assert word == word_for("a cookie") != word_for("another")
    assert "cookie" not in word
    assert len(word) == 64
