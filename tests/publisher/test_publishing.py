"""Plan, send, withdraw, by the commands against a sandbox."""

import json

import pytest

from tests.common.europeana.linked_data import ANNOTATION_CONTEXT, OA, triples
from tests.common.store.verdict_rows import uri
from tests.publisher.conftest import Publisher, as_maps
from tests.publisher.statement_rows import confirm, say


def plan(publisher: Publisher, *arguments: str) -> dict[str, object]:
    made: dict[str, object] = json.loads(publisher("plan", "--json", *arguments).stdout)
    return made


def test_what_is_certified_is_published_once_and_withdrawn(
    publisher: Publisher, certified: list[str]
) -> None:
    made = plan(publisher)
    assert made["states"] == {"planned": 7}
    assert publisher.standing == []
    sent = json.loads(publisher("send", str(made["id"]), "--json").stdout)
    assert sent["posted"] == 7
    assert publisher.standing == publisher.posted == as_maps(certified)
    assert json.loads(publisher("send", str(made["id"]), "--json").stdout)["posted"] == 0
    gone = json.loads(publisher("withdraw", "--model", "audited", "--yes", "--json").stdout)
    assert gone == {"withdrawn": 7, "stay": 0}
    assert publisher.standing == []
    assert publisher.states() == {"withdrawn": 7}


def test_what_is_sent_is_the_tag_that_a_reader_of_linked_data_understands(
    publisher: Publisher, certified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same statements as in the server's sample `semantictag_simple_minimal`, and our name."""
    monkeypatch.setenv("PUBLIC_URL", "https://statements.museum.example")
    publisher("send", str(plan(publisher)["id"]))
    ((name,),) = publisher.run(
        "SELECT name FROM publication WHERE record_id = :record", record=certified[0]
    )
    (sent,) = (
        each.form.members
        for each in publisher.sandbox.annotations.standing()
        if each.record == certified[0]
    )
    made = triples(sent | {"@context": ANNOTATION_CONTEXT, "type": "Annotation"})
    assert sorted((predicate.removeprefix(OA), value) for _, predicate, value in made) == [
        ("canonical", f"urn:uuid:{name}"),
        ("hasBody", uri("map")),
        ("hasTarget", f"http://data.europeana.eu/item{certified[0]}"),
        ("http://www.w3.org/1999/02/22-rdf-syntax-ns#type", f"{OA}Annotation"),
        ("motivatedBy", f"{OA}tagging"),
        ("via", f"https://statements.museum.example/statements/{name}"),
    ]


def test_what_a_reviewer_confirmed_stays_when_a_model_is_withdrawn(
    publisher: Publisher, certified: list[str]
) -> None:
    with publisher.engine.begin() as connection:
        confirm(connection, certified[0])
    publisher("send", str(plan(publisher)["id"]))
    gone = json.loads(publisher("withdraw", "--model", "audited", "--yes", "--json").stdout)
    assert gone == {"withdrawn": 6, "stay": 1}
    assert publisher.standing == as_maps(certified[:1])
    publisher("withdraw", "--model", "audited", "--confirmed-too", "--yes")
    assert publisher.standing == []


def test_a_plan_says_why_statements_do_not_go(publisher: Publisher, certified: list[str]) -> None:
    with publisher.engine.begin() as connection:
        say(connection, certified[0], "map", "wrong")
        say(connection, certified[1], "map", "too_general")
    publisher("send", str(plan(publisher, "--limit", "2")["id"]))
    made = plan(publisher)
    assert made["counts"] == {"enrichments": 7, "go": 3, "judged": 2, "published": 2}
