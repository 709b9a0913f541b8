"""What goes wrong at Europeana: lost answers, a slow index, tokens that end, wrong settings."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from deploy.sandbox.faults import Fault
from tests.common.store.verdict_rows import uri
from tests.publisher.conftest import Publisher, as_maps
from tests.publisher.statement_rows import MUSEUM


def send_all(publisher: Publisher) -> dict[str, int]:
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    sent: dict[str, int] = json.loads(publisher("send", str(number), "--json").stdout)
    return sent


def test_an_annotation_whose_answer_was_lost_is_found_and_not_posted_twice(
    start: Callable[..., Publisher], certified: list[str]
) -> None:
    publisher = start(writes=[Fault("lost", first=3)], index_seconds=1.5, patience=2)
    assert send_all(publisher)["posted"] == 7
    assert publisher.standing == publisher.posted == as_maps(certified)
    assert publisher.sandbox.annotations.created == 7


def test_a_token_that_ends_is_renewed(
    start: Callable[..., Publisher], certified: list[str]
) -> None:
    publisher = start(token_seconds=0.2, rate=5)
    assert send_all(publisher)["posted"] == 7
    assert publisher.standing == as_maps(certified)


@pytest.mark.parametrize("status", [423, 429, 500, 503])
def test_an_api_that_takes_nothing_now_is_asked_later(
    start: Callable[..., Publisher], certified: list[str], status: int
) -> None:
    publisher = start(writes=[Fault("status", status=status, retry_after=1, first=2)], patience=2)
    assert send_all(publisher)["posted"] == 7
    assert publisher.standing == as_maps(certified)
    assert publisher.sandbox.annotations.created == 7


def test_what_another_annotation_says_is_not_posted(
    publisher: Publisher, certified: list[str]
) -> None:
    send_all(publisher)
    publisher.run("DELETE FROM publication")
    made = json.loads(publisher("plan", "--json").stdout)
    assert made["states"] == {"already_said": 7}
    assert publisher.sandbox.annotations.created == 7


def test_what_another_annotation_says_since_the_plan_is_not_posted(
    publisher: Publisher, certified: list[str]
) -> None:
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    publisher.run("UPDATE publication SET name = gen_random_uuid()")
    before = publisher.run("SELECT record_id, name FROM publication")
    publisher("send", str(number))
    publisher.run(
        "UPDATE publication SET state = 'planned', sent_at = NULL, annotation = NULL,"
        " name = gen_random_uuid(), due_at = now()"
    )
    sent = json.loads(publisher("send", str(number), "--json").stdout)
    assert (sent["posted"], sent["already_said"]) == (0, 7)
    assert publisher.sandbox.annotations.created == len(before)


def test_a_statement_that_loses_its_grounds_after_the_plan_is_not_sent(
    publisher: Publisher, certified: list[str]
) -> None:
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    publisher.run(
        "INSERT INTO decision (decided, concept_uri, reason, decided_by)"
        " VALUES ('blocked', :concept, 'wrong', 1)",
        concept=uri("map"),
    )
    publisher("send", str(number))
    assert publisher.standing == []
    assert publisher.run("SELECT DISTINCT state, reason FROM publication") == [
        ("refused", "blocked")
    ]


def test_a_consent_that_is_undone_withdraws_what_was_published(
    publisher: Publisher, certified: list[str]
) -> None:
    send_all(publisher)
    publisher.run("UPDATE decision SET undone_at = now(), undone_by = 1")
    assert json.loads(publisher("sync", "--json").stdout)["withdrawn"] == 7
    assert publisher.standing == []
    assert "has not consented" in publisher("plan", exit_code=2).output


def test_what_others_delete_or_report_stays_away(
    publisher: Publisher, certified: list[str]
) -> None:
    send_all(publisher)
    annotations = publisher.sandbox.annotations
    first, second, *_ = annotations.standing()
    annotations.delete(first.number)
    annotations.report(second.number)
    done = json.loads(publisher("sync", "--json").stdout)
    assert done == {"deleted_by_others": 1, "reported": 1, "withdrawn": 1}
    assert len(publisher.standing) == 5
    assert json.loads(publisher("sync", "--json").stdout)["deleted_by_others"] == 0
    assert "disagree" in publisher("plan", exit_code=2).output
    against = publisher.run("SELECT count(*) FROM verdict WHERE said = 'wrong'")
    assert against == [(2,)]
    account = "SELECT ended_at = created_at FROM desk_user WHERE name = 'users of europeana.eu'"
    assert publisher.run(account) == [(True,)]  # so it closes no desk that has no accounts


def test_a_client_without_the_role_is_told_so_and_nothing_is_lost(
    start: Callable[..., Publisher], certified: list[str]
) -> None:
    publisher = start(role="none")
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    said = publisher("send", str(number), exit_code=1).output
    assert "does not let the client sandbox write annotations" in said
    assert publisher.states() == {"planned": 7}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("EUROPEANA_CLIENT_SECRET", "wrong", "refuses the client sandbox"),
        ("EUROPEANA_AUTH_URL", "http://127.0.0.1:9/auth", "does not answer"),
    ],
)
def test_wrong_access_ends_with_what_to_do(
    publisher: Publisher,
    certified: list[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    words: str,
) -> None:
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    monkeypatch.setenv(variable, value)
    said = publisher("send", str(number), exit_code=1).output
    assert words in said
    assert variable.rsplit("_", maxsplit=1)[0] in said
    assert publisher.states().keys() <= {"planned", "sending"}


def test_an_answer_in_html_ends_with_what_to_do(
    start: Callable[..., Publisher], certified: list[str]
) -> None:
    publisher = start(writes=[Fault("html")], rate=1)
    number = json.loads(publisher("plan", "--json").stdout)["id"]
    said = publisher("send", str(number), exit_code=1).output
    assert "Is EUROPEANA_API_URL the address of the Europeana APIs?" in said


def test_nothing_to_plan_says_why(publisher: Publisher, certified: list[str]) -> None:
    with publisher.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO record (id, data_provider) VALUES ('/1/a', 'Another Museum')")
        )
    said = publisher("plan", "--provider", "Another Museum", exit_code=2).output
    assert "no reviewer has confirmed a statement" in said
    publisher("plan", "--provider", MUSEUM)
    assert "There is no plan 99" in publisher("send", "99", exit_code=2).output
    assert (
        "only one of them"
        in publisher(
            "withdraw", "--model", "audited", "--concept", uri("map"), "--yes", exit_code=2
        ).output
    )


def test_a_provider_that_the_store_does_not_know_is_wrong_usage(
    publisher: Publisher, certified: list[str]
) -> None:
    for command in (("plan",), ("withdraw", "--yes")):
        said = publisher(*command, "--provider", "Citty Museum", exit_code=2).output
        assert f"no record of the data provider 'Citty Museum'. Did you mean: {MUSEUM}?" in said
