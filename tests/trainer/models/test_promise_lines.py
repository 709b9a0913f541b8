"""What is promised of a model, in words."""

from dataclasses import replace

import pytest

from common.vision.bundle import BundleFile, Promise
from common.vision.rule import Rule
from common.vision.tally import BINS, Tally
from tests.trainer.bundles import describe
from trainer.models.promise_lines import promise_lines

PROMISE = Promise(
    precision=0.9,
    confidence=0.95,
    providers={"Prado": 20, "Louvre": 1200},
    is_from_strangers=True,
    said=Tally.of_counts((1220, 900, 100, *(0,) * (BINS - 1), 1120)),
)


def told(promise: Promise | None) -> str:
    return "\n".join(promise_lines(replace(describe(), promise=promise)))


def test_it_says_what_is_promised_for_whom() -> None:
    lines = told(PROMISE)
    assert "promise: at 95% confidence, at least 90% of the pictures for which" in lines
    assert "measured on 1,220 pictures: each picture was judged by a model that had le" in lines
    assert "promised for the records of: Louvre (1,200), Prado (20)\n" in lines


def test_of_many_data_providers_the_ten_largest_are_named() -> None:
    providers = {f"museum {number:02}": number for number in range(1, 14)}
    lines = told(replace(PROMISE, providers=providers, is_from_strangers=False))
    assert "museum 13 (13), museum 12 (12)" in lines
    assert "museum 04 (4) and 3 more" in lines
    assert "may have been judged by a model that had learned from its provider" in lines


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (None, "before promises said for whom"),
        (replace(PROMISE, providers={}), "records of: nobody knows"),
    ],
)
def test_it_says_that_nobody_knows_for_whom(promise: Promise | None, words: str) -> None:
    assert words in told(promise)


def test_it_says_the_rule_and_when_the_model_abstains() -> None:
    plain = describe()
    abstaining = replace(
        plain,
        rule=Rule.of("single", 0.5),
        likeness=BundleFile(file="likeness", sha256="0" * 64),
        least_likeness=0.75,
    )
    assert promise_lines(plain)[1:] == [
        "rule: each concept that reaches its threshold is written",
        "abstains: never; it answers for pictures that are unlike all that it learned from, too",
    ]
    _, rule, abstains = promise_lines(abstaining)
    assert rule.startswith("rule: at most the most probable concept is written")
    assert abstains.endswith("a cosine of 0.750")
