"""Scores of data providers that were left out."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tests.trainer.printed import printed
from trainer.commands.printing import provider_listing
from trainer.scoring.by_provider import (
    ENOUGH,
    ProviderScores,
    about_new_providers,
    scores_by_provider,
)
from trainer.scoring.proof import interval


def _scores(*, pictures: int = 50, accurate: int = 40, written: int = 30) -> ProviderScores:
    return ProviderScores(
        pictures=pictures,
        accurate=accurate,
        f1=0.75,
        written=written,
        statements=written,
        right=max(written - 2, 0),
    )


def test_each_provider_is_counted_by_itself() -> None:
    providers = ["a", "b", "a", "", "a"]
    targets = np.eye(3, dtype=bool)[[0, 1, 0, 2, 1]]
    predicted = np.eye(3, dtype=bool)[[0, 1, 1, 2, 1]]
    written = predicted.copy()
    written[0] = False
    found = scores_by_provider(providers, targets=targets, predicted=predicted, written=written)
    assert list(found) == ["a", "b"]  # most pictures first, none without a name
    first = found["a"]
    assert (first.pictures, first.accurate) == (3, 2)
    assert (first.written, first.statements, first.right) == (2, 2, 1)
    expected = f1_score([0, 0, 1], [0, 1, 1], average="macro")
    assert first.f1 == pytest.approx(expected)
    assert found["b"].f1 == 1  # of the one category that it has


def test_several_concepts_of_a_picture_are_several_statements() -> None:
    targets = np.array([[True, True], [True, False]])
    written = np.array([[True, True], [False, True]])
    found = scores_by_provider(["a", "a"], targets=targets, predicted=targets, written=written)["a"]
    assert (found.written, found.statements, found.right) == (2, 3, 2)
    assert found.precision == pytest.approx(2 / 3)
    assert found.precision_interval == interval(2, 3)


def test_what_writes_nothing_has_no_precision() -> None:
    silent = _scores(written=0)
    assert silent.precision is None
    assert "–" in printed(provider_listing({"Attic": silent}, most=5))


def test_a_new_provider_is_compared_with_the_worst() -> None:
    text = about_new_providers({"Museum": _scores(), "Attic": _scores(accurate=20)})
    assert "is Attic, with an accuracy of 0.40" in text
    assert "1 in 3" in text
    assert f"fewer than {ENOUGH} providers were left out" in text
    assert "an audit" in text


def test_nineteen_providers_are_enough_for_one_in_twenty() -> None:
    text = about_new_providers({f"provider {i}": _scores() for i in range(19)})
    assert "1 in 20" in text
    assert "fewer than" not in text
    assert "not about the precision of a concept" in text


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_has_intervals_and_the_largest_providers(width: int) -> None:
    scores = {f"Museum {number}": _scores(pictures=60 - number) for number in range(9)}
    text = printed(provider_listing(scores, most=3), width=width)
    lines = [line.split() for line in text.splitlines()]
    assert ["Museum", "0", "60", "0.67", "(0.53–0.78)", "50%", "0.93", "(0.78–0.99)"] in lines
    assert "Museum 3" not in text
