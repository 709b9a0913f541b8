"""What goes wrong on request: lost answers, a slow index, a pace, error answers."""

from collections import Counter
from types import SimpleNamespace

import pytest
import requests

from deploy.sandbox.annotations import pace
from deploy.sandbox.annotations.pace import WritePace
from deploy.sandbox.api.refusals import RequestRefusedError
from deploy.sandbox.faults import AnnotationFaults, Fault, Faults
from deploy.sandbox.server import Sandbox
from tests.deploy.sandbox.annotations.conftest import CATALOGUE, CONCEPT, Writer, tag, writing
from tests.waiting import wait_for


def test_a_lost_answer_was_carried_out() -> None:
    with writing(writes=[Fault("lost", first=1)]) as writer:
        with pytest.raises(requests.ConnectionError):
            writer.post(tag())
        assert "ids: 1" in writer.post(tag()).json()["error"]
        with pytest.raises(requests.ConnectionError):
            writer.send("DELETE", "/annotation/1")
        assert writer.get("/annotation/1").status_code == 410


def test_an_error_may_come_after_the_write_or_in_its_place() -> None:
    faults = [Fault("lost", status=504, first=1), Fault("html", first=2)]
    with writing(writes=faults) as writer:
        assert writer.post(tag(48)).status_code == 504
        page = writer.post(tag(49))
        assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
        assert len(writer.annotations.standing()) == 2
    with writing(writes=[Fault("status", status=429, retry_after=7, first=1)]) as writer:
        refused = writer.post(tag())
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "7")
        assert writer.annotations.standing() == []


def test_a_share_of_the_answers_is_lost() -> None:
    def outcome(writer: Writer, concept: int) -> str:
        try:
            return str(writer.post(tag(concept)).status_code)
        except requests.ConnectionError:
            return "lost"

    with writing(writes=[Fault("lost", probability=0.5)]) as writer:
        outcomes = Counter(outcome(writer, concept) for concept in range(40))
        assert outcomes.keys() == {"201", "lost"}
        assert len(writer.annotations.standing()) == 40


def test_a_slow_index_lets_duplicates_pass() -> None:
    with writing(index_seconds=3600) as writer:
        for _ in range(2):
            assert writer.post(tag()).status_code == 201
        assert writer.search("*:*").json()["partOf"]["total"] == 0
        assert writer.get("/annotation/1").status_code == 200


def test_a_slow_index_finds_an_annotation_later() -> None:
    with writing(index_seconds=0.2) as writer:
        writer.post(tag())
        wait_for(lambda: writer.search(f'body_uri:"{CONCEPT}48"').json()["partOf"]["total"])
        assert writer.post(tag()).status_code == 400


def test_the_auth_service_may_fail_too() -> None:
    faults = Faults(annotations=AnnotationFaults(tokens=[Fault("status", status=503, first=1)]))
    with Sandbox(CATALOGUE, faults=faults) as sandbox:
        url = f"{sandbox.auth_url}/protocol/openid-connect/token"
        assert requests.post(url, timeout=10).status_code == 503
        assert Writer(sandbox).post(tag()).status_code == 201


def test_more_writes_than_allowed_are_refused_over_http() -> None:
    with writing(writes_a_second=1) as writer:
        answers: list[requests.Response] = []

        def refused() -> bool:
            answers.append(writer.post(tag(len(answers))))
            return answers[-1].status_code == 429

        wait_for(refused, pause=0)
        assert answers[-1].headers["Retry-After"] == "1"
        assert len(writer.annotations.pace.arrivals) == len(answers)
        assert len(writer.annotations.standing()) == len(answers) - 1


def test_the_pace_counts_any_second_and_not_only_whole_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def arrive(counted: WritePace, at: float) -> bool:
        monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: at))
        try:
            counted.arrive()
        except RequestRefusedError:
            return False
        return True

    counted = WritePace(2)
    times = [0.0, 0.75, 0.875, 1.0, 1.5, 1.75]
    assert [arrive(counted, at) for at in times] == [True, True, False, True, False, True]
    assert counted.arrivals == times
    assert counted.worst_second() == 4
    assert WritePace(None).worst_second() == 0
