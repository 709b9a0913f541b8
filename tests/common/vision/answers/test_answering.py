"""Answers: probabilities, likeness and rule together, for heads and for whole networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import ModelError
from common.vision.answers.answering import Answering, Answers, is_written
from common.vision.answers.heads import Head, HeadEnsemble, halved
from common.vision.answers.likeness import Likeness, halved_if_any
from common.vision.answers.rule import Rule
from common.vision.model import Model
from common.vision.runtimes.choice import open_runtime
from common.vision.saved_model import load_bundle, save_bundle
from common.vision.served import Normalisation
from tests.common.vision.models import THREE, model_of, save_three

DIMENSION = 16


def embeddings(count: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(1, 0.3, size=(count, DIMENSION))
    return halved(drawn.astype(np.float32))


def on_heads(likeness: Likeness | None) -> Answering:
    drawn = np.random.default_rng(0)
    head = Head.rounded(drawn.normal(size=(3, DIMENSION)), np.zeros(3))
    return Answering(
        description=replace(THREE, thresholds=dict.fromkeys(THREE.thresholds, 0.0)),
        heads=HeadEnsemble((head,), "single", 1.0),
        likeness=likeness,
    )


def test_what_is_unlike_gets_no_concept() -> None:
    strange = -embeddings(4, seed=1)
    answering = on_heads(Likeness.of(embeddings(50), least=0.5))
    answers = answering.answers(np.concatenate([embeddings(4, seed=2), strange]))
    assert answers.unlike.tolist() == [False] * 4 + [True] * 4
    assert answers.written[:4].all()
    assert not answers.written[4:].any()
    free = on_heads(None).answers(strange)
    assert not free.unlike.any()
    assert free.written.all()


def test_answers_come_one_by_one_and_together() -> None:
    answers = on_heads(Likeness.of(embeddings(50), least=0.95)).answers(embeddings(20, seed=3))
    again = Answers.of(list(answers))
    for name, expected in vars(answers).items():
        np.testing.assert_array_equal(getattr(again, name), expected)


def test_the_rule_is_that_of_the_bundle(tmp_path: Path) -> None:
    best = replace(
        THREE, rule=Rule.of("single", 0.5), thresholds=dict.fromkeys(THREE.thresholds, 0)
    )
    rows = np.array([[0.3, 0.6, 0.1], [0.4, 0.3, 0.3], [0.5, 0.5, 0]], dtype=np.float32)
    expected = [[False, True, False], [False] * 3, [True, False, False]]
    assert is_written(best, rows).tolist() == expected
    model = load_bundle(tmp_path / "m", save_three(tmp_path / "m", best))
    assert model.answers(rows).written.tolist() == expected


@pytest.fixture
def strange_and_known() -> torch.Tensor:
    """Pictures in one colour, and noise."""
    drawn = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (12, 3, 32, 32), generator=drawn).byte()
    return torch.cat([noise, torch.full((4, 3, 32, 32), 255).byte()])


def with_likeness(folder: Path, pictures: torch.Tensor) -> Model:
    """A whole network that knows the first ten pictures."""
    plain = model_of("resnet18", folder / "plain")
    classifier = plain.classifiers()[0]
    classifier.fc = torch.nn.Identity()
    with torch.inference_mode():
        pixels = Normalisation(plain.description.preprocessing)(pictures[:10])
        references = halved_if_any(classifier(pixels).numpy())
    states = [model_of("resnet18", folder / "again").classifiers()[0].state_dict()]
    likeness = Likeness.of(references, least=0.9)
    sha256 = save_bundle(
        folder / "m", plain.description, states, self_test=pictures, likeness=likeness
    )
    return load_bundle(folder / "m", sha256)


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_a_whole_network_tells_likeness_and_probabilities_in_one_pass(
    tmp_path: Path, strange_and_known: torch.Tensor, runtime: str
) -> None:
    model = with_likeness(tmp_path, strange_and_known)
    plain = model_of("resnet18", tmp_path / "without")
    opened = open_runtime(runtime, model.served, tmp_path / "cache", torch.device("cpu"))
    answers = model.answers(opened.rows(strange_and_known))
    assert not answers.unlike[:12].any()
    assert answers.unlike[12:].all()
    assert answers.written[:12, 0].all()
    assert not answers.written[12:].any()
    expected = plain.probabilities(strange_and_known)
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-3)
    model.self_test(opened.rows)
    (classifier,) = model.classifiers()
    pixels = Normalisation(model.description.preprocessing)(strange_and_known)
    with torch.inference_mode():
        logits = classifier(pixels) / model.description.temperature
    np.testing.assert_allclose(logits.softmax(1), expected, atol=1e-3)


def test_a_bundle_of_before_writes_what_it_wrote(tmp_path: Path) -> None:
    sha256 = save_three(tmp_path / "m")
    description = load_bundle(tmp_path / "m", sha256).description
    assert (description.rule, description.promise) == (Rule(), None)
    rows = np.array([[0.3, 0.65, 0.05]], dtype=np.float32)
    assert is_written(description, rows).tolist() == [[True, True, False]]


def test_changed_references_are_refused(tmp_path: Path, strange_and_known: torch.Tensor) -> None:
    model = with_likeness(tmp_path, strange_and_known)
    path = tmp_path / "m" / "likeness.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelError, match=r"likeness\.safetensors is not the file"):
        load_bundle(tmp_path / "m", model.sha256)
