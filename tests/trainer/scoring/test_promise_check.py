"""Promised and found, side by side."""

import math

import pytest

from common.vision.answers.promise import Promise
from common.vision.answers.tally import Tally
from tests.trainer.printed import printed
from trainer.commands.evaluate import about_other_providers, promise_in_a_line, promise_listing
from trainer.scoring.metrics import members_of
from trainer.scoring.promise_check import CheckedConcept, CheckedPromise
from trainer.scoring.thresholds import Effect


def _effect(written: int, right: int, *, examples: int = 300, is_off: bool = False) -> Effect:
    return Effect(
        threshold=None if is_off else 0.7,
        examples=examples,
        written=written,
        right=right,
        precision=right / written if written else math.nan,
        found=right / examples,
    )


def _check(effects: dict[str, Effect], **providers: int) -> CheckedPromise:
    promise = Promise(
        precision=0.9,
        confidence=0.95,
        providers={"Museum": 500},
        measured_on="own pictures",
        said=Tally.sum([]),
    )
    return CheckedPromise.of(promise, effects, providers)


@pytest.mark.parametrize(
    ("written", "right", "expected"),
    [
        (0, 0, "too few to say"),
        (1, 0, "too few to say"),  # one wrong one breaks no promise
        (3, 0, "broken"),
        (168, 151, "holds"),
        (168, 143, "holds"),  # less than was promised, as it may happen
        (168, 141, "broken"),
        (10, 10, "holds"),
    ],
)
def test_a_promise_is_broken_if_chance_hardly_explains_what_is_found(
    written: int, right: int, expected: str
) -> None:
    assert CheckedConcept.of(_effect(written, right), 0.9).promise == expected


def test_of_a_concept_that_is_off_nothing_is_promised() -> None:
    checked = CheckedConcept.of(_effect(0, 0, is_off=True), 0.9)
    assert (checked.promise, checked.promised) == ("off", None)


def test_broken_promises_are_named_at_the_end() -> None:
    check = _check(
        {
            "domes": _effect(168, 141),
            "maps": _effect(100, 99),
            "toys": _effect(0, 0),
            "posters": _effect(0, 0, is_off=True),
        }
    )
    assert check.broken == ["domes"]
    assert (
        promise_in_a_line(check)
        == "The promise is broken for 1 of 3 concepts: domes (0.84 of 168)."
    )


def test_what_holds_and_what_is_too_rare_is_counted_at_the_end() -> None:
    check = _check({"maps": _effect(100, 99), "toys": _effect(0, 0)})
    assert promise_in_a_line(check) == (
        "The promise holds for 1 of 2 concepts; 1 concept cannot be judged, "
        "because there are too few pictures."
    )
    assert (
        promise_in_a_line(_check({"maps": _effect(100, 99)}))
        == "The promise holds for 1 of 1 concepts."
    )
    silent = _check({"toys": _effect(0, 0, is_off=True)})
    assert promise_in_a_line(silent) == "Every concept is off, so there is no promise."


def test_pictures_of_providers_that_were_not_learned_from_are_counted() -> None:
    check = _check({"maps": _effect(100, 99)}, Museum=50, Attic=7, Cellar=9)
    assert check.providers_without_promise == {"Attic": 7, "Cellar": 9}
    assert "The promise does not hold for the providers of 16 pictures: Cellar (9), Attic (7)" in (
        about_other_providers(check)
    )
    assert about_other_providers(_check({}, Museum=50)) == ""


def test_only_the_largest_of_many_unknown_providers_are_named() -> None:
    many = {f"provider {number}": number for number in range(1, 13)}
    text = about_other_providers(_check({}, **many))
    assert "provider 12 (12), provider 11 (11)" in text
    assert "and 2 more" in text
    assert "provider 1 (1)" not in text


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_has_promise_and_finding_in_one_line(width: int) -> None:
    check = _check(
        {"domes": _effect(168, 141), "toys": _effect(0, 0), "off": _effect(0, 0, is_off=True)}
    )
    lines = [line.split() for line in printed(promise_listing(check), width=width).splitlines()]
    assert ["domes", "0.9", "141", "of", "168", "0.84", "(0.77–0.89)", "0.47", "broken"] in lines
    assert ["off", "off"] in lines


def test_json_has_no_nan() -> None:
    members = members_of(_check({"toys": _effect(0, 0)}))
    assert members["concepts"]["toys"]["precision"] is None
    assert members["concepts"]["toys"]["promise"] == "too few to say"
    assert (members["precision"], members["broken"]) == (0.9, [])
