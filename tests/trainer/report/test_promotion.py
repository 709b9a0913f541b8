"""What the report says of a promotion is what a promotion does."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from common.vision.kinds import Kind
from tests.browser import see
from tests.trainer.experiments import copied
from tests.trainer.finished_heads import PROVIDERS, finished_heads
from trainer.experiment import Experiment
from trainer.models.prospect import Prospect, prospect_of
from trainer.report.page import summarise, write_summary
from trainer.report.promotion import (
    left_out_providers,
    promoted_concepts,
    promotion_view,
    verdict,
)
from trainer.scoring.predictions import Predictions


def _text(experiment: Experiment) -> str:
    write_summary(experiment)
    return (experiment.folder / "report.html").read_text()


def _flat(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.fixture(scope="module")
def page(heads_by_provider: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on heads by folds that leave out providers."""
    experiment = copied(heads_by_provider, tmp_path_factory.mktemp("page"))
    _text(experiment)
    return experiment.folder / "report.html"


@pytest.fixture
def prospect(heads_by_provider: Experiment) -> Prospect:
    """Of the same heads."""
    found = prospect_of(heads_by_provider)
    assert found is not None
    return found


def test_it_begins_with_what_the_model_is_good_for(page: Path, prospect: Prospect) -> None:
    good = verdict(prospect.proposal)
    assert good.startswith("This model is good enough to write category 00, category 01, ")
    assert "At least 90% of what it writes is correct" in good
    assert "at 95% confidence" in good
    text = _flat(page.read_text())
    assert text.index(good) < text.index("The numbers")


def test_the_verdict_names_what_is_off(prospect: Prospect) -> None:
    effects = dict(prospect.proposal.effects)
    effects["category 03"] = replace(effects["category 03"], threshold=None)
    some = verdict(replace(prospect.proposal, effects=effects))
    assert some.endswith("It would not write category 03: the precision is not proved there.")
    effects = {label: replace(each, threshold=None) for label, each in effects.items()}
    none = verdict(replace(prospect.proposal, effects=effects))
    assert none.startswith("This model is not good enough to write any concept")


def test_it_says_how_many_are_written_and_right(page: Path, prospect: Prospect) -> None:
    text, said = _flat(page.read_text()), prospect.proposal.promise.said
    assert f"Of 320 records like these, {said.written} would get a concept." in text
    label, most = max(prospect.proposal.effects.items(), key=lambda each: each[1].written)
    assert f"Of the {most.written} that get {label} , at least {int(0.9 * most.written)}" in text
    assert f"these were {said.unlike} of 320 pictures" in text
    assert "trainer promote heads --ensemble" in text
    for line in (*prospect.proposal.promise.in_words(), str(prospect.proposal.description.rule)):
        assert line in text


def test_every_concept_has_its_line_and_its_curve(page: Path, prospect: Prospect) -> None:
    text = _flat(page.read_text())
    for each in promoted_concepts(prospect):
        effect = each.effect
        line = f"{each.label} {effect.examples} {effect.written} {effect.right} ("
        assert line in text
        assert each.at_least >= 0.9
        assert each.outlook is None
    assert page.read_text().count('alt="Precision of category') == 4


def test_what_is_off_says_what_would_do(finished: dict[Kind, Experiment], tmp_path: Path) -> None:
    text = _flat(_text(copied(finished["single"], tmp_path)))
    assert "The model would write no concept: the data prove a precision of 90% for none" in text
    assert "trainer promote run ." in text
    assert "really show it" not in text
    assert "off: no precision is proved" in text or "the proved precision is only" in text
    assert "Providers that it did not learn from" not in text


def test_of_many_concepts_those_with_most_pictures_have_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.report.promotion.MOST_CURVES", 3)
    experiment = finished_heads(tmp_path, each=10, categories=5)
    prospect = prospect_of(experiment)
    assert prospect is not None
    concepts = promoted_concepts(prospect)
    assert [bool(each.curve) for each in concepts].count(True) == 3
    assert len(concepts) == 5
    assert "You see the 3 concepts with the most pictures" in _text(experiment)


def test_an_older_experiment_is_said_to_be_one(
    finished: dict[Kind, Experiment], tmp_path: Path
) -> None:
    experiment = copied(finished["single"], tmp_path)
    (experiment.split(2) / "evidence.safetensors").unlink()
    assert promotion_view(experiment) is None
    assert "Its folds did not save the data for this section." in _text(experiment)


def test_each_left_out_provider_has_its_line(
    page: Path, heads_by_provider: Experiment, prospect: Prospect
) -> None:
    scores = left_out_providers(heads_by_provider, prospect)
    assert set(scores) == set(PROVIDERS)
    assert sum(each.pictures for each in scores.values()) == 320
    left_out = Predictions.joined(heads_by_provider.left_out_predictions())
    written = prospect.would_write(left_out.probabilities).any(axis=1)
    assert sum(each.written for each in scores.values()) == written.sum()
    by_known = summarise(heads_by_provider).accuracy.mean
    assert all(0.5 < each.accuracy != by_known for each in scores.values())
    text = _flat(page.read_text())
    for provider, each in scores.items():
        assert f"{provider} {each.pictures} {each.accuracy:.1%} {each.accuracy_interval}" in text
    assert "even lower with a probability of 1 in 4" in text


def test_folds_that_leave_no_provider_out_have_no_such_table(
    finished: dict[Kind, Experiment],
) -> None:
    experiment = finished["single"]
    prospect = prospect_of(experiment)
    assert prospect is not None
    assert left_out_providers(experiment, prospect) == {}


@pytest.mark.parametrize("width", [420, 1300])
def test_a_browser_shows_it(page: Path, tmp_path: Path, width: int) -> None:
    seen = see(page, tmp_path, width=width)
    assert (seen.missing, seen.unnamed, seen.overflow) == (0, 0, 0)
    assert "What this model would write and promise" in seen.headings
    assert "Providers that it did not learn from" in seen.headings
