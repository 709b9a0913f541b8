from datetime import UTC, datetime

import pytest

from common.store.refits import RefitStatus
from common.store.tables import Said
from desk.teaching.standing import curve_of, judged_providers
from tests.desk.museum import MAP, Museum


def test_providers_are_told_with_their_judged_records(museum: Museum):
    museum.records("Our museum", "/1/a", "/1/b")
    museum.records("Their museum", "/1/c")
    museum.say("one", "/1/a", MAP, Said.RIGHT)
    museum.say("two", "/1/a", MAP, Said.WRONG)
    museum.say("two", "/1/b", MAP, Said.RIGHT)
    museum.say("one", "/1/c", MAP, Said.RIGHT)
    museum.execute("UPDATE verdict SET withdrawn_at = now() WHERE record_id = '/1/c'")
    with museum.engine.connect() as connection:
        (found,) = judged_providers(connection)
    assert (found.name, found.records, found.reviewers) == ("Our museum", 2, 2)


def refit(result):
    now = datetime.now(UTC)
    blank = dict.fromkeys(["job_id", "asked_by", "problem", "taught_id", "taught", "renewal_id"])
    named = {"id": 1, "model_id": 1, "model": "heads v1", "data_provider": "A museum"}
    return RefitStatus(**named, **blank, asked_at=now, ended_at=now, result=result)


def test_a_curve_is_as_wide_as_its_verdicts():
    points = [
        {"verdicts": verdicts, "tested": 50, "accuracy": 0.5, "low": 0.4, "high": 0.6}
        for verdicts in (0, 10, 40)
    ]
    found = curve_of(refit({"curve": points}))
    assert [each.x for each in found] == [0, 25, 100]
    assert [each.y for each in found] == [30, 30, 30]


@pytest.mark.parametrize("result", [None, {}, {"curve": []}])
def test_without_a_result_there_is_no_curve(result):
    assert curve_of(refit(result)) == []
