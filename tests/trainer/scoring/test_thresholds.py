"""The promise of a threshold, tested on classifiers of known quality."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from common.vision.answers.rule import Rule
from common.vision.network import build_classifier, load_weights
from common.vision.preprocessing import Preprocessing
from common.vision.served import Normalisation
from trainer.scoring.calibration import at_temperature, fit_temperature
from trainer.scoring.thresholds import Statements, choose_thresholds, effect, statements_of

SHARED = Path(__file__).resolve().parents[4] / "shared"
FOLDS = 3


def _predictions(seed: int, count: int, skill: float) -> tuple[NDArray, NDArray]:
    """Probabilities, and whether each is right: the more often, the higher the probability."""
    chance = np.random.default_rng(seed)
    probabilities = chance.beta(0.6, 0.8, count)
    truth = 0.02 + 0.97 * probabilities**skill  # skill above 1: overconfident
    return probabilities, chance.random(count) < truth


def choose_threshold(probabilities: NDArray, right: NDArray, *, precision: float) -> float | None:
    order = np.argsort(-probabilities)
    return Statements(probabilities[order], right[order], len(right)).threshold(precision)


@pytest.mark.parametrize(("skill", "precision"), [(0.5, 0.9), (1.0, 0.8), (2.0, 0.8)])
def test_the_promised_precision_holds_on_new_data_for_19_of_20_seeds(
    skill: float, precision: float
) -> None:
    probabilities, right = _predictions(10_000, 400_000, skill)
    chosen = [
        choose_threshold(*_predictions(seed, 1000, skill), precision=precision)
        for seed in range(100)
    ]
    made = [threshold for threshold in chosen if threshold is not None]
    broken = sum(right[probabilities >= threshold].mean() < precision for threshold in made)
    assert len(made) > 30  # a promise that is never made is worth nothing
    assert broken <= len(chosen) / 20


def _five_categories(seed: int, count: int) -> tuple[NDArray, NDArray]:
    """Probabilities of an overconfident softmax classifier (n, 5), and what is true."""
    chance = np.random.default_rng(seed)
    targets = np.eye(5, dtype=bool)[chance.choice(5, count, p=(0.4, 0.25, 0.15, 0.12, 0.08))]
    logits = 2.5 * (chance.normal(size=(count, 5)) + 2.4 * targets)  # 2.5 times too sure
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True), targets


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_promise_holds_for_every_concept_at_the_fitted_temperature(kind: str) -> None:
    new, truth = _five_categories(10_000, 30_000)
    broken = made = 0
    for seed in range(20):
        temperature = fit_temperature(*_five_categories(100 + seed, 500), kind)
        probabilities, targets = _five_categories(seed, 2000)
        rule, uris = Rule.of(kind, floor=0.5), tuple("abcde")
        chosen = choose_thresholds(
            at_temperature(probabilities, temperature, kind),
            targets,
            uris,
            rule=rule,
            precision=0.9,
        )
        written = rule.written(at_temperature(new, temperature, kind), chosen, uris)
        for index in np.flatnonzero(written.any(axis=0)):
            made += 1
            broken += truth[written[:, index], index].mean() < 0.9
    assert made > 80
    assert broken <= made / 20


@dataclass(frozen=True)
class _Split:
    """What was learned from one part of the pictures, and what it says of the others."""

    out_of_fold: NDArray
    learned: NDArray  # the targets of the one part
    served: NDArray
    truth: NDArray  # the targets of the others


@pytest.fixture(scope="module")
def museum() -> list[_Split]:
    """Photographs of three museums, divided in 20 ways; published features, a head on top."""
    weights = SHARED / "weights" / "mobilenet_v2_features.safetensors"
    catalogue = SHARED / "data" / "museum" / "catalog.jsonl"
    if not (weights.exists() and catalogue.exists()):
        pytest.skip(f"{weights} or {catalogue} is not there")
    items = [json.loads(line) for line in catalogue.read_text().splitlines()]
    features = _features([catalogue.parent / item["image"] for item in items], weights)
    _, labels = np.unique([item["category"] for item in items], return_inverse=True)
    return [_split(features, labels, seed) for seed in range(20)]


def _features(files: list[Path], weights: Path) -> NDArray:
    network = build_classifier("mobilenet_v2", classes=2).eval()
    load_weights(network, weights)
    prepare = Preprocessing(size=64)
    parts = []
    with torch.inference_mode():
        for start in range(0, len(files), 64):
            pictures = [_opened(prepare, file) for file in files[start : start + 64]]
            batch = Normalisation(prepare)(torch.stack(pictures))
            parts.append(network.get_submodule("features")(batch).mean((2, 3)))
    features = torch.cat(parts).numpy()
    return (features - features.mean(0)) / features.std(0)


def _opened(prepare: Preprocessing, file: Path) -> torch.Tensor:
    with Image.open(file) as image:
        return prepare.to_uint8(image)


def _split(features: NDArray, labels: NDArray, seed: int) -> _Split:
    """As a promoted ensemble: thresholds by each fold's test part, the mean of all in service."""
    order = np.random.default_rng(seed).permutation(len(labels))
    learned, others = order[:1200], order[1200:]
    fold_of = np.arange(len(learned)) % FOLDS
    out_of_fold = np.zeros((len(learned), 4))
    served = np.zeros((len(others), 4))
    for fold in range(FOLDS):
        trained, tested = learned[fold_of != fold], learned[fold_of == fold]
        head = LogisticRegression(C=0.002, tol=1e-2).fit(features[trained], labels[trained])
        out_of_fold[fold_of == fold] = head.predict_proba(features[tested])
        served += head.predict_proba(features[others]) / FOLDS
    targets = np.eye(4, dtype=bool)[labels]
    return _Split(out_of_fold, targets[learned], served, targets[others])


@pytest.mark.parametrize("precision", [pytest.param(0.8, marks=pytest.mark.slow), 0.9])
def test_the_promise_holds_on_photographs_of_museums_that_were_set_aside(
    museum: list[_Split], precision: float
) -> None:
    kept = made = 0
    for split in museum:
        chosen = choose_thresholds(
            split.out_of_fold,
            split.learned,
            tuple("abcd"),
            rule=Rule(),
            precision=precision,
        )
        limits = np.array([math.inf if t is None else t for t in chosen.values()])
        written = split.served >= limits
        made += bool(written.any())
        kept += not written.any() or split.truth[written].mean() >= precision
    assert made >= 5  # a promise that is never made is worth nothing
    assert kept >= 19


def test_the_effect_counts_what_is_written() -> None:
    written = np.array([True, True, True, False])
    right = np.array([True, False, True, True])
    found = effect(written, right, 0.7)
    assert (found.written, found.right, found.precision, found.found) == (3, 2, 2 / 3, 2 / 3)
    off = effect(np.zeros(4, dtype=bool), right, None)
    assert (off.written, off.found) == (0, 0.0)
    assert math.isnan(off.precision)


def test_a_concept_that_cannot_keep_the_promise_is_switched_off() -> None:
    chance = np.random.default_rng(0)
    for _ in range(20):
        probabilities, right = chance.random(1000), chance.random(1000) < 0.6
        assert choose_threshold(probabilities, right, precision=0.9) is None


def test_too_few_predictions_prove_nothing() -> None:
    probabilities, right = np.linspace(0.9, 1, 28), np.ones(28, dtype=bool)
    assert choose_threshold(probabilities, right, precision=0.9) is None


def test_a_perfect_classifier_is_trusted_about_as_far_as_it_is_right() -> None:
    probabilities = np.linspace(0, 1, 500)
    right = probabilities > 0.4
    threshold = choose_threshold(probabilities, right, precision=0.9)
    assert threshold is not None
    assert 0.3 < threshold < 0.45


def test_equal_probabilities_stand_or_fall_together() -> None:
    probabilities = np.repeat([1.0, 0.5], 100)
    right = np.repeat([True, False], 100)
    assert choose_threshold(probabilities, right, precision=0.9) == 1.0


def test_a_curve_says_what_each_threshold_would_do() -> None:
    probabilities = np.array([0.9, 0.8, 0.8, 0.6], dtype=np.float32)
    right = np.array([True, False, True, True])
    curve = Statements(probabilities, right, examples=3).curve(examples=5)
    np.testing.assert_allclose(curve.found, [1 / 5, 2 / 5, 3 / 5])  # two are equally probable
    np.testing.assert_allclose(curve.precision, [1, 2 / 3, 3 / 4])


def test_a_concept_that_is_never_a_candidate_has_an_empty_curve() -> None:
    none = Statements(np.zeros(0, np.float32), np.zeros(0, bool), examples=0).curve(examples=0)
    assert len(none.found) == len(none.precision) == 0


def test_what_is_off_is_told_what_would_do() -> None:
    probabilities = np.linspace(1, 0.5, 40, dtype=np.float32)
    right = np.arange(40) % 10 != 0  # nine of ten, too few to prove it, and mistakes from the first
    outlook = Statements(probabilities, right, examples=50).outlook(0.85)
    assert 0.6 < outlook.best_precision < 0.85
    assert outlook.more_pictures is not None
    assert outlook.more_pictures % 50 == 0
    assert Statements(probabilities, right, examples=50).outlook(0.95).more_pictures is None


def test_only_what_the_rule_may_write_is_a_statement() -> None:
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.52, 0.48], [0.45, 0.44]], np.float32)
    targets = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], dtype=bool)
    first, second = statements_of(probabilities, targets, Rule.of("single", floor=0.5))
    np.testing.assert_array_equal(first.probabilities, np.float32([0.6, 0.52]))
    assert first.correct.tolist() == [True, False]
    assert (first.examples, second.examples) == (2, 2)
    assert second.correct.tolist() == [True]
    every, _ = statements_of(probabilities, targets, Rule())
    assert len(every.correct) == 4
