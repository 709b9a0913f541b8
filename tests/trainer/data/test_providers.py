"""Folds leave data providers out where the data allows it, if nobody says otherwise."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.data.dataset import Example, TrainingData
from trainer.data.providers import with_grouping
from trainer.settings import TrainingSettings


def given_by(*providers: str, categories: int = 2) -> TrainingData:
    """Data of which each of these providers has five pictures of each category."""
    return with_counts([(provider, (5,) * categories) for provider in providers])


def with_counts(counts: Sequence[tuple[str, tuple[int, ...]]]) -> TrainingData:
    """Data of which each of these providers has so many pictures of each category."""
    categories = range(len(counts[0][1]) if counts else 0)
    return TrainingData(
        source="dataset museum",
        kind="single",
        categories=tuple(f"category {label}" for label in categories),
        concept_uris=tuple(f"http://concept.example/{label}" for label in categories),
        picture_source="media",
        examples=tuple(
            Example(
                key=f"/1/{provider}_{label}_{number}",
                path=Path("p.jpg"),
                labels=(label,),
                sha256="0",
                provider=provider,
            )
            for provider, of_categories in counts
            for label, count in enumerate(of_categories)
            for number in range(count)
        ),
    )


def test_with_three_providers_folds_leave_them_out() -> None:
    settings, said = with_grouping(TrainingSettings(), given_by("a", "b", "c"), given=())
    assert (settings.group_by, settings.folds) == ("provider", 3)
    assert "To test on known providers: --group-by picture" in said


def test_many_providers_share_the_usual_folds() -> None:
    settings, _ = with_grouping(TrainingSettings(), given_by(*map(str, range(25))), given=())
    assert (settings.group_by, settings.folds) == ("provider", 10)


@pytest.mark.parametrize("providers", [(), ("",), ("a",), ("a", "b"), ("a", "b", "")])
def test_with_fewer_they_do_not(providers: tuple[str, ...]) -> None:
    settings, said = with_grouping(TrainingSettings(), given_by(*providers), given=())
    assert (settings, said) == (TrainingSettings(), "")


def test_what_was_asked_for_is_done() -> None:
    data = given_by("a", "b", "c", "d")
    settings, said = with_grouping(TrainingSettings(), data, given=("group_by",))
    assert (settings, said) == (TrainingSettings(), "")
    two = TrainingSettings(folds=2)
    settings, _ = with_grouping(two, data, given=("folds",))
    assert (settings.group_by, settings.folds) == ("provider", 2)


def test_where_they_cannot_the_reason_is_said() -> None:
    five = TrainingSettings(folds=5)
    settings, said = with_grouping(five, given_by("a", "b", "c"), given=("folds",))
    assert settings == five
    assert "3 providers are too few for 5 folds" in said
    only_one = with_counts([("a", (5, 0)), ("b", (5, 0)), ("c", (5, 5))])
    settings, said = with_grouping(TrainingSettings(), only_one, given=())
    assert settings == TrainingSettings()
    assert "fewer than two providers have category 1" in said


def test_records_without_a_provider_are_not_lost_by_default() -> None:
    lost = with_counts([("", (1000, 1000)), ("a", (5, 5)), ("b", (5, 5)), ("c", (5, 5))])
    settings, said = with_grouping(TrainingSettings(), lost, given=())
    assert settings == TrainingSettings()
    assert "2,000 of 2,030 records have no provider and could not be used" in said


@pytest.mark.parametrize(("nameless", "group_by"), [(5, "provider"), (6, "picture")])
def test_a_twentieth_of_them_may_be(nameless: int, group_by: str) -> None:
    data = with_counts(
        [("", (nameless, 0)), ("a", (20, 15)), ("b", (15, 15)), ("c", (15, 20 - nameless))]
    )
    assert len(data.examples) == 100
    settings, _ = with_grouping(TrainingSettings(), data, given=())
    assert settings.group_by == group_by


def test_a_category_of_nearly_one_provider_alone_is_divided_by_pictures() -> None:
    toys_of_one = with_counts([("a", (50, 100)), ("b", (100, 1)), ("c", (100, 0))])
    settings, said = with_grouping(TrainingSettings(), toys_of_one, given=())
    assert settings == TrainingSettings()
    assert re.search(r"fold \d of 3 has no picture of category 1 for validation\. So", said)


def test_a_category_that_all_others_with_a_provider_have_is_divided_by_pictures() -> None:
    named = given_by(*"abc", categories=3)
    both = tuple(replace(e, labels=tuple({0, *e.labels})) for e in named.examples)
    nameless = replace(both[-1], key="/1/nameless", labels=(1,), provider="")
    data = replace(named, kind="multi", examples=(*both, nameless))
    settings, said = with_grouping(TrainingSettings(kind="multi"), data, given=())
    assert settings.group_by == "picture"
    assert "all records with a provider have category 0" in said


@pytest.mark.parametrize(("of_giant", "group_by"), [(100, "provider"), (101, "picture")])
def test_half_of_the_records_are_left_to_learn_from(of_giant: int, group_by: str) -> None:
    data = with_counts([("giant", (of_giant, of_giant)), ("b", (50, 50)), ("c", (50, 50))])
    settings, said = with_grouping(TrainingSettings(), data, given=())
    assert settings.group_by == group_by
    is_said = "a fold would have 200 of 402 records to learn from, fewer than half" in said
    assert is_said == (group_by == "picture")


def test_two_folds_leave_half_of_the_providers_each() -> None:
    two = TrainingSettings(folds=2)
    settings, _ = with_grouping(two, given_by("a", "b", "c"), given=("folds",))
    assert settings == two
