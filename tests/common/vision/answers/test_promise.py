"""The promise in words: how often, and for whom."""

from common.vision.answers.promise import SHOWN, MeasuredOn, Promise
from common.vision.answers.tally import Tally


def promise(
    providers: dict[str, int],
    *,
    measured_on: MeasuredOn = "own pictures",
    precision: float = 0.9,
) -> Promise:
    return Promise(
        precision=precision,
        confidence=0.95,
        providers=providers,
        measured_on=measured_on,
        said=Tally.sum([]),
    )


def test_it_says_how_often_and_for_whom() -> None:
    often, whom = promise({"Museum A": 12, "Museum B": 1_500}).in_words()
    assert "At least 90% of the pictures that get a concept really show it, at 95%" in often
    assert "Museum B (1,500), Museum A (12). It does not hold for other providers." in whom
    assert "audit" in whom


def test_without_providers_it_is_for_pictures_like_those_of_the_training() -> None:
    assert "pictures like those" in promise({}).in_words()[1]


def test_many_providers_are_counted() -> None:
    many = promise({f"Museum {number:02}": 100 - number for number in range(SHOWN + 5)})
    assert "Museum 09 (91), and 5 more" in many.in_words()[1]
    assert "Museum 10" not in many.in_words()[1]


def test_it_says_that_it_is_careful_where_providers_were_left_out() -> None:
    words = promise({"Museum A": 12}, measured_on="left-out providers").in_words()
    assert "Each was left out once during testing" in words[1]


def test_a_promise_on_other_pictures_is_for_their_providers() -> None:
    _, whom = promise({"Museum A": 12}, measured_on="other pictures").in_words()
    assert "providers in the test: Museum A (12)" in whom
    assert "training" not in whom


def test_a_precision_is_not_rounded_up() -> None:
    assert "At least 97.5% of" in promise({}, precision=0.975).in_words()[0]
    assert "At least 99.9% of" in promise({}, precision=0.999).in_words()[0]
