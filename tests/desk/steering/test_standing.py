from datetime import UTC, datetime

import pytest

from common.store.teaching.refits import RefitStatus
from desk.steering.standing import concepts_of, curve_of


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


def test_the_concepts_that_a_result_names_are_known():
    changed = [{"record": "/1/a", "concept": "a", "before": "b", "after": "c"}]
    named = {"by_concept": [{"concept": "a"}, {"concept": "d"}], "changed": changed}
    assert concepts_of(refit(named)) == {"a", "b", "c", "d"}
    assert concepts_of(refit(None)) == set()
