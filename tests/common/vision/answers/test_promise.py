"""The promise in words: how often, and for whom."""

from common.vision.answers.promise import SHOWN, Promise
from common.vision.answers.tally import Tally


def promise(providers: dict[str, int], *, from_strangers: bool = False) -> Promise:
    return Promise(
        precision=0.9,
        confidence=0.95,
        providers=providers,
        is_from_strangers=from_strangers,
        said=Tally.sum([]),
    )


def test_it_says_how_often_and_for_whom() -> None:
    often, whom = promise({"Museum A": 12, "Museum B": 1_500}).in_words()
    assert "at least 90% show it, at 95% confidence" in often
    assert "Museum B (1,500), Museum A (12). For others nothing is promised" in whom
    assert "audit" in whom


def test_without_providers_it_is_for_pictures_like_those_of_the_training() -> None:
    assert "pictures like those" in promise({}).in_words()[1]


def test_many_providers_are_counted() -> None:
    many = promise({f"Museum {number:02}": 100 - number for number in range(SHOWN + 5)})
    assert "Museum 09 (91), and 5 more" in many.in_words()[1]
    assert "Museum 10" not in many.in_words()[1]


def test_it_says_that_it_is_careful_where_providers_were_left_out() -> None:
    words = promise({"Museum A": 12}, from_strangers=True).in_words()
    assert "with each of them left out in turn" in words[2]
