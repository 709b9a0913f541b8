"""The search for the strength of the regularisation."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegressionCV

from tests.trainer.embeddings import around_means, one_hot
from trainer.data.split import Division, make_divisions, make_inner_divisions
from trainer.learning.head import Points
from trainer.learning.strength import STRENGTHS, Learning, find_strength, search_without

LABELS = np.random.default_rng(1).choice(3, size=240)
POINTS = Points.of(around_means(LABELS))
TARGETS = torch.from_numpy(one_hot(LABELS)).float()
DIVISIONS = make_inner_divisions(one_hot(LABELS), np.arange(240), seed=[0])
HOW = Learning(kind="single", class_weights="none")


def test_strengths_are_tried_from_strong_to_weak_until_it_is_worse() -> None:
    search = find_strength(POINTS, TARGETS, DIVISIONS, HOW)
    tried = [trial.strength for trial in search.trials]
    assert tried == list(STRENGTHS[: len(tried)])
    assert 1 < len(tried) < len(STRENGTHS)
    assert search.best.loss == min(trial.loss for trial in search.trials)
    assert search.best.accuracy > 0.7
    assert search.trials[-1].loss > search.best.loss


def test_each_example_is_judged_by_a_head_that_has_not_seen_it() -> None:
    """With random labels nothing can be known, though each label could be learned by heart."""
    chance = np.random.default_rng(2)
    labels = chance.choice(2, size=120)
    points = Points.of(around_means(np.zeros(120, dtype=np.int64), dimension=100))
    targets = torch.from_numpy(one_hot(labels)).float()
    divisions = make_inner_divisions(one_hot(labels), np.arange(120), seed=[0])
    search = find_strength(points, targets, divisions, HOW)
    assert search.judged.all()
    right = (search.logits.argmax(1) == targets.argmax(1)).float().mean().item()
    assert right < 0.65
    assert search.best.loss > 0.6


def test_an_example_whose_category_its_head_does_not_know_is_not_judged() -> None:
    """Of categories 0 and 1 both halves have examples, of category 2 only one."""
    labels = np.array([0, 1] * 40 + [0, 1] * 20 + [2] * 40)
    first, second = np.arange(80), np.arange(80, 160)
    divisions = [Division(rest=first, test=second), Division(rest=second, test=first)]
    targets = torch.from_numpy(one_hot(labels)).float()
    search = find_strength(Points.of(around_means(labels)), targets, divisions, HOW)
    assert search.judged.tolist() == (labels < 2).tolist()
    assert torch.isfinite(search.logits).all()


def test_the_same_search_has_the_same_end() -> None:
    one, other = (find_strength(POINTS, TARGETS, DIVISIONS, HOW) for _ in range(2))
    assert one.trials == other.trials
    assert torch.equal(one.logits, other.logits)


def test_heads_are_fitted_again_without_some_examples() -> None:
    search = find_strength(POINTS, TARGETS, DIVISIONS, HOW)
    gone = np.flatnonzero(LABELS == 2)
    fewer = [Division(rest=np.setdiff1d(each.rest, gone), test=each.test) for each in DIVISIONS]
    again = search_without(search, POINTS, TARGETS, fewer, HOW)
    assert again.best == search.best
    assert again.judged.tolist() == (LABELS != 2).tolist()
    assert not (again.logits.argmax(1) == 2).any()


def test_the_head_of_a_search_learns_from_what_it_is_given() -> None:
    search = find_strength(POINTS, TARGETS, DIVISIONS, HOW)
    weights = search.head(POINTS, TARGETS, np.flatnonzero(LABELS < 2), HOW)
    logits = POINTS.logits(weights[None])[:, 0]
    known = torch.from_numpy(LABELS < 2)
    right = (logits.argmax(1) == TARGETS.argmax(1))[known].float().mean().item()
    assert right == pytest.approx(1, abs=0.25)
    assert not (logits.argmax(1) == 2).any()


def test_heads_are_as_good_as_those_of_scikit_learns_own_search() -> None:
    labels = np.random.default_rng(3).choice(4, size=900)
    embeddings, targets = around_means(labels), one_hot(labels)
    right, peers = [], []
    for fold in make_divisions(targets, np.arange(900), parts=3, seed=[0]):
        inner = make_inner_divisions(targets[fold.rest], np.arange(len(fold.rest)), seed=[1])
        points = Points.of(embeddings)
        own, known = points.rows(fold.rest), torch.from_numpy(targets[fold.rest]).float()
        search = find_strength(own, known, inner, HOW)
        weights = search.head(own, known, np.arange(len(fold.rest)), HOW)
        said = points.rows(fold.test).logits(weights[None])[:, 0].argmax(1).numpy()
        right.append((said == labels[fold.test]).mean())
        peer = LogisticRegressionCV(
            Cs=[1 / (strength * len(inner[0].rest)) for strength in STRENGTHS],
            cv=[(each.rest, each.test) for each in inner],
            **{"l1_ratios": (0,), "use_legacy_attributes": False},
            **{"scoring": "accuracy", "max_iter": 5000},
        )
        peer.fit(embeddings[fold.rest].astype(np.float64), labels[fold.rest])
        peers.append(peer.score(embeddings[fold.test].astype(np.float64), labels[fold.test]))
    assert np.mean(right) > np.mean(peers) - 0.01
