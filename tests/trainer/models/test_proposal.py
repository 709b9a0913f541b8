"""A proposal: what would be promoted, and what it would do."""

from dataclasses import replace

import numpy as np
import pytest

from common.errors import UsageError
from common.vision.answers.answering import is_written
from common.vision.answers.rule import Rule
from common.vision.kinds import Kind
from tests.trainer.bundles import LABELS, describe, pictures, weights
from trainer.models.judged import JudgedPredictions
from trainer.models.proposal import Proposal, Terms, propose_judged

COUNT = 900


def judged(*, skill: float = 6.0, unlike: int = 0) -> JudgedPredictions:
    """Answers to pictures of three concepts; the first `unlike` pictures are of another kind."""
    chance = np.random.default_rng(0)
    targets = np.eye(3, dtype=bool)[np.arange(COUNT) % 3]
    powers = np.exp(chance.normal(size=(COUNT, 3)) + skill * targets)
    return JudgedPredictions(
        probabilities=(powers / powers.sum(axis=1, keepdims=True)).astype(np.float32),
        targets=targets,
        unlike=np.arange(COUNT) < unlike,
        temperature=1.5,
        likeness=None,
    )


def proposed(answers: JudgedPredictions, kind: Kind = "single", **terms: float) -> Proposal:
    blank = replace(describe(), kind=kind)
    rule = Rule.of(kind, Terms(**terms).floor)
    return propose_judged(
        replace(blank, rule=rule),
        [weights()],
        answers,
        Terms(**terms),
        pictures(1),
        known=None,
        providers={"Museum A": 600},
        measured_on="left-out providers",
    )


def test_what_is_proposed_is_what_was_measured() -> None:
    answers = judged()
    proposal = proposed(answers)
    description = proposal.description
    assert description.temperature == 1.5
    assert description.promise is not None
    assert (description.promise.precision, description.promise.confidence) == (0.9, 0.95)
    assert description.promise.providers == {"Museum A": 600}
    assert description.promise.measured_on == "left-out providers"
    written = is_written(description, answers.probabilities)
    assert description.promise.said.written == written.any(axis=1).sum() > 800
    for index, label in enumerate(LABELS):
        effect = proposal.effects[label]
        assert effect.written == written[:, index].sum()
        assert effect.precision >= 0.9
    assert not proposal.is_silent
    assert proposal.outlooks == {}


def test_pictures_unlike_all_that_was_learned_are_not_written() -> None:
    proposal = proposed(judged(unlike=300))
    assert proposal.description.promise is not None
    said = proposal.description.promise.said
    assert said.unlike == 300
    assert 500 < said.written <= 600
    assert all(0.5 < each.found < 0.7 for each in proposal.effects.values())


def test_what_cannot_be_promised_is_off_and_told() -> None:
    proposal = proposed(judged(skill=0.3))
    assert proposal.is_silent
    assert set(proposal.outlooks) == set(LABELS)
    assert all(each.best_precision < 0.9 for each in proposal.outlooks.values())
    assert proposal.description.promise is not None
    assert proposal.description.promise.said.written == 0


def test_nothing_below_the_floor_is_written() -> None:
    answers = judged(skill=2.5)
    low, high = proposed(answers, precision=0.5), proposed(answers, precision=0.5, floor=0.8)
    for proposal, floor in ((low, 0.5), (high, 0.8)):
        written = is_written(proposal.description, answers.probabilities)
        assert answers.probabilities[written].min() >= floor
        assert (written.sum(axis=1) <= 1).all()


def test_of_several_concepts_a_picture_nothing_below_its_floor_is_written() -> None:
    answers = judged(skill=1.5)
    usual = proposed(answers, "multi", precision=0.4)
    without = proposed(answers, "multi", precision=0.4, floor=0)
    for proposal, floor in ((usual, 0.2), (without, 0.0)):
        written = is_written(proposal.description, answers.probabilities)
        assert answers.probabilities[written].min() >= floor
        assert (written.sum(axis=1) > 1).any()
    assert min(filter(None, without.description.thresholds.values())) < 0.2
    assert len(usual.written_when_unlikely()) == 3
    assert proposed(answers, "multi", precision=0.4, floor=0.5).written_when_unlikely() == []


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"precision": 0.0}, "--precision must be"),
        ({"precision": 1.0}, "--precision must be"),
        ({"precision": float("nan")}, "--precision must be"),
        ({"floor": 1.0}, "--floor must be"),
        ({"floor": -0.1}, "--floor must be"),
        ({"floor": float("nan")}, "--floor must be"),
    ],
)
def test_terms_out_of_range_are_refused(terms: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Terms(**terms)
