from datetime import UTC, datetime, timedelta

import pytest

from desk.web.rendering import ago, asset_version, length_of_time, plain_page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (3_600, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds, words):
    assert length_of_time(seconds) == words


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1, seconds=5), "1 minute ago"),
        (timedelta(hours=5, minutes=5), "5 hours ago"),
        (timedelta(days=2, minutes=5), "2 days ago"),
        (timedelta(days=-1), "just now"),  # the database's clock is ahead
    ],
)
def test_a_time_is_told_from_now(before, words):
    assert ago(datetime.now(UTC) - before) == words


def test_no_line_ends_before_a_percent_sign_and_fields_keep_what_was_typed():
    values = {"csrf": "", "after": "1 %", "name": "2 %", "has_provider": False}
    page = plain_page("login", values | {"problem": "3 % of 4 %"})
    assert "3\N{NO-BREAK SPACE}% of 4\N{NO-BREAK SPACE}%" in page
    assert 'value="1 %"' in page
    assert 'value="2 %"' in page


def test_the_assets_have_a_version():
    assert len(asset_version()) == 12
