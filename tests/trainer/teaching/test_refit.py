"""Refits: what is fitted, and what is measured of it."""

from dataclasses import replace

import numpy as np
import pytest

from common.errors import DatasetError
from common.vision.answers.heads import Head
from tests.trainer.teaching.drawn_examples import drawn, silent_model
from trainer.teaching.examples import TaughtPictures
from trainer.teaching.refit import MeasuredAccuracy, refit, result_of

CONCEPTS = ("map", "painting", "vase")


def test_a_head_learns_what_the_verdicts_say() -> None:
    examples = drawn(judged=60)
    found = refit(examples, silent_model())
    head = Head.rounded(found.state["weight"].numpy(), found.state["bias"].numpy())
    said = head.logits(examples.embeddings[90:]).argmax(axis=1)
    assert (said == examples.labels[90:]).mean() > 0.8
    assert found.before.right == 20  # a third of them show the first concept
    assert found.after.right > 40
    assert [each.verdicts for each in found.curve] == [10, 20, 48]
    assert all(each.tested == 60 for each in found.curve)


def test_a_model_that_is_wrong_elsewhere_may_not_serve_all() -> None:
    contradicting, confirming = drawn(judged=60, turned=1), drawn(judged=60, turned=0)
    assert not refit(contradicting, silent_model()).may_serve_all
    found = refit(confirming, silent_model())
    assert found.others_before is not None
    assert found.others_after is not None
    assert found.others_after > found.others_before - 0.01
    assert found.may_serve_all


def test_without_other_providers_nobody_knows_what_they_lose() -> None:
    examples = replace(drawn(), other_providers=np.zeros(90, dtype=np.bool_))
    found = refit(examples, silent_model())
    assert (found.others_before, found.others_after, found.may_serve_all) == (None, None, False)


def test_ten_verdicts_suffice_and_concepts_without_one_do_no_harm() -> None:
    examples = drawn(judged=16)
    rows = np.flatnonzero((np.arange(106) < 90) | (examples.labels != 2))[:100]
    found = refit(examples.some(rows), silent_model())
    assert found.before.tested == 10
    assert np.isfinite(found.state["weight"].numpy()).all()


def test_pictures_that_are_all_the_same_are_refused() -> None:
    examples = drawn(judged=10)
    same = examples.embeddings.copy()
    same[90:] = same[90]
    with pytest.raises(DatasetError, match="All of the verdicts are about almost the same picture"):
        refit(replace(examples, embeddings=same), silent_model())


def test_the_result_says_all_that_a_person_needs() -> None:
    examples = drawn(judged=30)
    pictures = TaughtPictures(
        examples=examples, disputed=2, unlabelled=4, unknown=1, without_embedding=3
    )
    found = result_of(pictures, refit(examples, silent_model()), CONCEPTS)
    assert (found["verdicts"], found["disputed"], found["unlabelled"]) == (30, 2, 4)
    assert found["curve"][0] == found["before"]
    assert found["curve"][-1] == found["after"]
    assert found["before"]["low"] < found["before"]["accuracy"] < found["before"]["high"]


def test_the_result_says_of_each_concept_and_picture_what_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = drawn(judged=30)
    head = refit(examples, silent_model())
    found = head.predictions.to_json(examples.records, CONCEPTS)
    assert [each["concept"] for each in found["by_concept"]] == list(CONCEPTS)
    assert [each["before"] for each in found["by_concept"]] == [10, 0, 0]  # all are maps to it
    for when, measured in (("tested", 30), ("before", 10), ("after", head.after.right)):
        assert sum(each[when] for each in found["by_concept"]) == measured
    truth = dict(zip(examples.records, examples.labels[90:], strict=True))
    assert found["changed_in_all"] == len(found["changed"]) > 10
    for each in found["changed"]:
        assert each["concept"] == CONCEPTS[truth[each["record"]]]
        assert each["before"] == "map" != each["after"]
    is_right = [each["after"] == each["concept"] for each in found["changed"]]
    assert is_right == sorted(is_right)
    monkeypatch.setattr("trainer.teaching.refit.MOST_CHANGED", 3)
    fewer = head.predictions.to_json(examples.records, CONCEPTS)
    assert (len(fewer["changed"]), fewer["changed_in_all"]) == (3, found["changed_in_all"])


def test_an_accuracy_has_the_interval_of_clopper_and_pearson() -> None:
    measured = MeasuredAccuracy(verdicts=40, right=38, tested=50).to_json()
    expected = {"verdicts": 40, "tested": 50, "accuracy": 0.76, "low": 0.6183, "high": 0.8694}
    assert measured == expected
