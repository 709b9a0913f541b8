"""Folds leave data providers out where the data allows it, if nobody says otherwise."""

from pathlib import Path

import pytest

from trainer.data.dataset import Example, TrainingData
from trainer.data.providers import with_grouping
from trainer.settings import TrainingSettings


def given_by(*providers: str, categories: int = 2) -> TrainingData:
    """Data of which each of these providers has a picture of each category."""
    return TrainingData(
        source="dataset museum",
        kind="single",
        categories=tuple(f"category {label}" for label in range(categories)),
        concept_uris=tuple(f"http://concept.example/{label}" for label in range(categories)),
        picture_source="media",
        examples=tuple(
            Example(
                key=f"/1/{provider}_{label}",
                path=Path("p.jpg"),
                labels=(label,),
                sha256="0",
                provider=provider,
            )
            for provider in providers
            for label in range(categories)
        ),
    )


def test_with_three_providers_folds_leave_them_out() -> None:
    settings, said = with_grouping(TrainingSettings(), given_by("a", "b", "c"), given=())
    assert (settings.group_by, settings.folds) == ("provider", 3)
    assert "--group-by picture undoes it" in said


def test_many_providers_share_the_usual_folds() -> None:
    settings, _ = with_grouping(TrainingSettings(), given_by(*map(str, range(25))), given=())
    assert (settings.group_by, settings.folds) == ("provider", 10)


@pytest.mark.parametrize("providers", [(), ("",), ("a",), ("a", "b"), ("a", "b", "")])
def test_with_fewer_they_do_not(providers: tuple[str, ...]) -> None:
    settings, said = with_grouping(TrainingSettings(), given_by(*providers), given=())
    assert (settings, said) == (TrainingSettings(), "")


def test_what_was_asked_for_is_done() -> None:
    data = given_by("a", "b", "c")
    settings, said = with_grouping(TrainingSettings(), data, given=("group_by",))
    assert (settings, said) == (TrainingSettings(), "")
    two = TrainingSettings(folds=2)
    settings, _ = with_grouping(two, data, given=("folds",))
    assert (settings.group_by, settings.folds) == ("provider", 2)


def test_where_they_cannot_the_reason_is_said() -> None:
    five = TrainingSettings(folds=5)
    settings, said = with_grouping(five, given_by("a", "b", "c"), given=("folds",))
    assert settings == five
    assert "3 are too few for 5 folds" in said
    alone = given_by("a", "b", "c")
    only_one = alone.without("gone", ["/1/a_1", "/1/b_1"])
    settings, said = with_grouping(TrainingSettings(), only_one, given=())
    assert settings == TrainingSettings()
    assert "fewer than two have category 1" in said
