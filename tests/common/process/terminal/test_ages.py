"""Ages as users type them."""

from datetime import timedelta

import pytest

from common.errors import UsageError
from common.process.terminal.ages import parse_age


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
    ],
)
def test_days_and_hours_are_read(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize(
    "text", ["", "d", "30", "-1d", "1.5d", "30 d", "1w", "40000d", "9" * 40, "٣d"]
)
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="age"):
        parse_age(text)


@pytest.mark.parametrize("text", ["0d", "0h", "000d"])
def test_an_age_of_nothing_is_told_as_that(text: str) -> None:
    with pytest.raises(UsageError, match=f"The age {text} is too short. The shortest age is 1h"):
        parse_age(text)
