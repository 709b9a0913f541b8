"""What is said of each concept of a picture."""

from dataclasses import replace

import numpy as np
import pytest

from common.store.decisions import StandingBlock
from common.vision.answers.answering import PictureAnswer, is_written
from common.vision.answers.blocked import Blocks
from common.vision.answers.promise import Promise
from common.vision.answers.rule import Rule
from common.vision.answers.tally import BINS, Tally
from desk.api.annif.suggested_concepts import PromisedShare, scores_of
from tests.common.vision.models import MAP, TEXTILE, THREE, TOY

NOTHING_BLOCKED = Blocks.of(())
SAID = Tally(pictures=1, written=1, unlike=0, confidences=(0,) * (BINS - 1) + (1,))
PROMISE = Promise(
    precision=0.9,
    confidence=0.95,
    providers={"Our museum": 40},
    measured_on="own pictures",
    said=SAID,
)


def answer(description, *probabilities, is_unlike=False):
    row = np.array([probabilities], dtype=np.float32)
    written = is_written(description, row)[0] & (not is_unlike)
    return PictureAnswer(probabilities=row[0], is_unlike=is_unlike, written=written)


def scores(description, said, *, blocks=NOTHING_BLOCKED, provider="", limit=10, threshold=0.0):
    found = scores_of(
        description, said, blocks=blocks, data_provider=provider, limit=limit, threshold=threshold
    )
    return {each.uri: each for each in found}


def reasons(description, said, **more):
    return {uri: each.reason for uri, each in scores(description, said, **more).items()}


def test_each_concept_that_would_not_be_written_has_its_reason():
    said = answer(THREE, 0.3, 0.5, 0.2)
    assert reasons(THREE, said) == {TOY: "below_threshold", MAP: None, TEXTILE: "off"}
    single = replace(THREE, rule=Rule(concepts="most probable", floor=0.25))
    assert reasons(single, answer(single, 0.3, 0.6, 0.1)) == {
        **{TOY: None, MAP: "less_probable", TEXTILE: "off"}
    }
    assert reasons(single, answer(single, 0.21, 0.2, 0.1))[MAP] == "below_threshold"


def test_a_picture_too_different_gets_no_concept():
    said = answer(THREE, 0.9, 0.5, 0.2, is_unlike=True)
    assert set(reasons(THREE, said).values()) == {"unlike"}


@pytest.mark.parametrize(
    ("data_provider", "concept_uri", "asked", "reason"),
    [
        (None, MAP, "", "blocked"),
        ("Our museum", MAP, "Our museum", "blocked"),
        ("Our museum", None, "Our museum", "blocked"),
        ("Our museum", MAP, "Their museum", None),
        ("Our museum", MAP, "", None),
    ],
)
def test_decisions_block_as_they_block_workers(data_provider, concept_uri, asked, reason):
    block = StandingBlock(data_provider=data_provider, concept_uri=concept_uri)
    said = answer(THREE, 0.3, 0.5, 0.2)
    assert reasons(THREE, said, blocks=Blocks.of([block]), provider=asked)[MAP] == reason


@pytest.mark.parametrize(
    ("providers", "asked", "is_promised"),
    [
        ({"Our museum": 40}, "Our museum", True),
        ({"Our museum": 40}, "Their museum", False),
        ({"Our museum": 40}, "", False),
        ({}, "", True),
    ],
)
def test_the_promise_is_for_the_providers_that_it_names(providers, asked, is_promised):
    promising = replace(THREE, promise=replace(PROMISE, providers=providers))
    found = scores(promising, answer(promising, 0.3, 0.5, 0.2), provider=asked)
    promised = PromisedShare(precision=0.9, confidence=0.95)
    assert found[MAP].promise == (promised if is_promised else None)
    assert found[TOY].promise is None  # it would not be written


def test_scores_are_limited_and_the_highest_come_first():
    said = answer(THREE, 0.3, 0.5, 0.2)
    assert list(scores(THREE, said)) == [TOY, MAP, TEXTILE]
    assert list(scores(THREE, said, limit=1)) == [TOY]
    assert list(scores(THREE, said, threshold=0.3)) == [TOY, MAP]
    assert list(scores(THREE, said, limit=0)) == []
