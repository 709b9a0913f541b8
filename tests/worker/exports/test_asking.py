"""What the arguments of `worker export` mean."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from common.errors import UsageError
from worker.exports.asking import Asked, read_arguments
from worker.exports.selection import Selection

JOB = uuid4()
TEN_PM = datetime(2026, 11, 23, 22, tzinfo=UTC)


def ask(*places: str, model: str | None = None, since: str | None = None) -> Asked:
    return read_arguments(list(places), model=model, since=since)


def test_a_job_comes_before_the_file_and_standard_output_is_the_default() -> None:
    assert ask(str(JOB)) == Asked(selection=Selection(job=JOB), file="-")
    assert ask(str(JOB), "out.csv") == Asked(selection=Selection(job=JOB), file="out.csv")
    assert ask("out.csv", since="2026-11-23").file == "out.csv"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vases", Selection(model="vases")),
        ("vases@2", Selection(model="vases", version=2)),
        ("vases@v2", Selection(model="vases", version=2)),
    ],
)
def test_a_model_has_a_version_behind_the_at_sign(text: str, expected: Selection) -> None:
    assert ask(model=text).selection == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T22:00:00Z", TEN_PM),
        ("2026-11-23T23:00+01:00", TEN_PM),
        ("2026-11-23 22:00", TEN_PM),
        ("2026-11-23", TEN_PM - timedelta(hours=22)),
    ],
)
def test_times_are_iso_8601_and_utc_where_they_name_no_zone(text: str, expected: datetime) -> None:
    assert ask(since=text).selection == Selection(since=expected)
    assert ask(since=text, model="vases").selection == Selection(model="vases", since=expected)


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [
        ([], {}, "Say what to export"),
        ([str(JOB)], {"model": "vases"}, "either a JOB, or --model"),
        ([str(JOB), "out.csv"], {"since": "2026-11-23"}, "either a JOB, or --model"),
        (["out.csv"], {}, "'out.csv' is no job's ID"),
        ([str(JOB), "a", "b"], {}, "one FILE, not 2: a b"),
        (["a", "b"], {"model": "vases"}, "one FILE, not 2: a b"),
        ([], {"model": "vases@new"}, "'vases@new' is not the name of a model"),
        ([], {"model": ""}, "'' is not the name of a model"),
        ([], {"since": "yesterday"}, "'yesterday' is no time"),
        ([], {"since": ""}, "'' is no time"),
        ([], {"since": "9999-12-31T23:59:59-23:59"}, "is out of range"),
        ([], {"since": "0001-01-01T00:00+01:00"}, "is out of range"),
    ],
)
def test_anything_else_is_refused_with_a_message(
    places: list[str], options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ask(*places, **options)
