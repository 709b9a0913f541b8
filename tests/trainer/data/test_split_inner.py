"""Divisions inside the training part of a fold."""

import numpy as np

from trainer.data.split import INNER_PARTS, make_inner_divisions

CHANCE = np.random.default_rng(0)
TARGETS = np.eye(3, dtype=np.bool_)[CHANCE.choice(3, size=300)]
GROUPS = CHANCE.choice(200, size=300).astype(np.int64)


def test_each_example_is_tested_once_by_what_knows_no_near_duplicate() -> None:
    divisions = make_inner_divisions(TARGETS, GROUPS, seed=[0])
    assert len(divisions) == INNER_PARTS
    assert sorted(np.concatenate([each.test for each in divisions])) == list(range(300))
    for each in divisions:
        assert not set(GROUPS[each.rest]) & set(GROUPS[each.test])
        np.testing.assert_allclose(TARGETS[each.test].mean(0), TARGETS.mean(0), atol=0.03)


def test_providers_are_tested_together_as_outside() -> None:
    providers = np.repeat(np.arange(5), 60)
    divisions = make_inner_divisions(TARGETS, GROUPS, seed=[0], tested_together=providers)
    assert len(divisions) == INNER_PARTS
    for each in divisions:
        assert not set(providers[each.rest]) & set(providers[each.test])
        assert not set(GROUPS[each.rest]) & set(GROUPS[each.test])


def test_two_providers_make_two_parts() -> None:
    providers = np.repeat([0, 1], 150)
    divisions = make_inner_divisions(TARGETS, np.arange(300), seed=[0], tested_together=providers)
    assert sorted(len(each.test) for each in divisions) == [150, 150]


def test_with_a_single_provider_near_duplicates_stay_together() -> None:
    one = make_inner_divisions(
        TARGETS, GROUPS, seed=[0], tested_together=np.zeros(300, dtype=np.int64)
    )
    other = make_inner_divisions(TARGETS, GROUPS, seed=[0])
    for mine, theirs in zip(one, other, strict=True):
        assert mine.test.tolist() == theirs.test.tolist()
