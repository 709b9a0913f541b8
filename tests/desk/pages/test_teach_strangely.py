"""Refits that no page of ours asks for."""

import pytest

from tests.desk.caller import Caller
from tests.desk.conftest import OURS
from tests.desk.museum import Museum
from tests.desk.served import ServedDesk

pytestmark = pytest.mark.timeout(600)


def test_a_wrong_provider_stays_in_its_field(filled: Museum, desk: ServedDesk) -> None:
    answer = Caller(desk).get("/teach?provider=Our musem")
    assert answer.status_code == 400
    assert 'value="Our musem" aria-invalid="true"' in answer.text
    assert f"Did you mean: {OURS}" in answer.text


def test_a_refit_of_nothing_that_there_is_is_refused(filled: Museum, desk: ServedDesk) -> None:
    filled.encoder(filled.the_model)  # type: ignore[attr-defined]
    caller = Caller(desk)
    caller.get("/jobs/new")
    for fields, status in (
        ({"provider": "x" * 2_000}, 400),
        ({"provider": OURS, "model": "absent"}, 404),
        ({"provider": OURS, "model": "test@99999999999"}, 400),
    ):
        assert caller.post("/teach/refit", fields).status_code == status, fields
    assert filled.rows("SELECT 1 FROM refit") == []
    assert "Traceback" not in desk.log()
