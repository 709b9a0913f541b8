import json
from dataclasses import replace

import pytest

from deploy.sandbox.server import Sandbox

CONCEPT = "http://data.europeana.eu/concept/"
AAT = "http://vocab.getty.edu/aat/"


@pytest.fixture
def check(harvester):
    def run(text, *options, exit_code):
        (harvester.folder / "v.json").write_text(text, encoding="utf-8")
        command = ("vocabulary", "check", "--vocab-json", "v.json", "--json", *options)
        return harvester(*command, exit_code=exit_code)

    return run


def told(output, label):
    """What was found of a label."""
    return [
        [each["uri"], each["finding"], each["advice"], "yes" if each["must_change"] else "no"]
        for each in json.loads(output)["findings"]
        if each["label"] == label
    ]


def test_a_good_vocabulary_needs_nothing(harvester, check):
    good = json.dumps({"map": f"{CONCEPT}43", "weaponry": f"{AAT}300036926"})
    assert json.loads(check(good, exit_code=0).stdout) == {"findings": [], "records": []}
    shown = harvester("vocabulary", "check", "--vocab-json", "v.json").stdout
    assert shown == "v.json: nothing to change.\n"


def test_people_read_a_list(harvester, check):
    check(json.dumps({"map": f"{CONCEPT}base/43"}), exit_code=0)
    shown = harvester("vocabulary", "check", "--vocab-json", "v.json").stdout.splitlines()
    assert shown[0].split("  ")[0] == "must change"
    assert shown[1].startswith(f"no           map    {CONCEPT}base/43")


def test_old_uris_are_told_with_what_they_are_read_as(check):
    ended = check(json.dumps({"map": f"{CONCEPT}base/43"}), exit_code=0)
    (cells,) = told(ended.stdout, "map")
    assert cells[2:] == [f"write {CONCEPT}43", "no"]


def test_every_problem_is_told_not_only_the_first(check):
    text = """{"Map": "http://data.europeana.eu/concept/43", "toy": 56,
        "chart": "http://data.europeana.eu/concept/base/43", "toy": "no", "MAP ": "no",
        "--": "http://data.europeana.eu/concept/47"}"""
    ended = check(text, "--online", exit_code=1)
    assert "is there twice" in str(told(ended.stdout, "MAP "))
    assert "neither a letter nor a digit" in str(told(ended.stdout, "--"))
    assert "needs a concept URI" in told(ended.stdout, "toy")[0][1]
    assert "the same concept as Map" in str(told(ended.stdout, "chart"))
    assert "is there twice" in str(told(ended.stdout, "toy"))
    assert "findings must be corrected. Then Europeana is asked." in ended.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"map": '])
def test_what_is_no_vocabulary_at_all_is_wrong_input(check, text):
    assert "v.json" in check(text, exit_code=2).stderr


def test_europeana_is_asked_what_became_of_the_concepts(check, sandbox):
    vocabulary = {
        "map": f"{CONCEPT}43",
        "pottery": f"{CONCEPT}28",
        "ghost": f"{CONCEPT}999",
        "weaponry": f"{AAT}300036926",
        "canvas": f"{AAT}300033618",
    }
    ended = check(json.dumps(vocabulary), "--online", exit_code=1)
    assert told(ended.stdout, "map") == []
    assert told(ended.stdout, "pottery")[0][2:] == [f"write {CONCEPT}31", "yes"]
    assert told(ended.stdout, "ghost")[0][1:] == [
        "Europeana no longer has this concept", "choose another, or remove it", "yes"
    ]  # fmt: skip
    assert told(ended.stdout, "weaponry")[0][1::2] == ["finds no record", "no"]
    assert sandbox.key not in ended.output


def test_two_labels_that_became_one_concept_are_told(check, sandbox):
    vocabulary = {"ceramics": f"{CONCEPT}31", "pottery": f"{CONCEPT}28"}
    ended = check(json.dumps(vocabulary), "--online", exit_code=1)
    assert told(ended.stdout, "pottery")[0][2] == "that is ceramics: keep one of the two"
    assert told(ended.stdout, "ceramics") == []


def test_without_online_nobody_is_asked(check, sandbox):
    check(json.dumps({"ghost": f"{CONCEPT}999"}), exit_code=0)
    assert sandbox.log["127.0.0.1"].requests == 0


def test_a_refused_key_is_told(check, sandbox, monkeypatch):
    monkeypatch.setenv("EUROPEANA_API_KEY", "hunter2")
    ended = check(json.dumps({"map": f"{CONCEPT}43"}), "--online", exit_code=1)
    assert "refuses the API key" in ended.stderr
    assert "hunter2" not in ended.output


@pytest.mark.parametrize(
    ("value", "shown"),
    [("null", "null"), ("true", "true"), ('{"uri": "x"}', "an object"), ("[1]", "a list")],
)
def test_a_value_that_is_no_uri_is_shown_as_the_file_has_it(check, value, shown):
    ((uri, finding, *_),) = told(check(f'{{"map": {value}}}', exit_code=1).stdout, "map")
    assert uri.startswith(shown)
    assert f"needs a concept URI, not {shown}" in finding


SKOS = f"""
    @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
    <http://museum.example/map> a skos:Concept ; skos:prefLabel "map"@en ;
        skos:exactMatch <{AAT}300028094> .
    <{AAT}300033618> a skos:Concept ; skos:prefLabel "canvas"@en .
"""


@pytest.fixture
def skos(harvester):
    (harvester.folder / "v.ttl").write_text(SKOS)
    return ("vocabulary", "check", "--vocab-json", "v.ttl")


def test_the_equivalent_that_finds_more_than_nothing_is_named(check, sandbox, catalogue):
    paintings = sum(
        f"{CONCEPT}47" in item.concepts for item in catalogue.items if item.type == "IMAGE"
    )
    ended = check(json.dumps({"canvas": f"{AAT}300033618"}), "--online", exit_code=1)
    assert told(ended.stdout, "canvas")[0][1:] == [
        f"finds 0 records; its equivalent {CONCEPT}47 finds {paintings}",
        "add that as exactMatch, or use it instead",
        "yes",
    ]
    (counted,) = json.loads(ended.stdout)["records"]
    assert (counted["label"], counted["records"]) == ("canvas", 0)
    assert counted["by_uri"] == [
        {"uri": f"{AAT}300033618", "records": 0, "equivalent": False},
        {"uri": f"{CONCEPT}47", "records": paintings, "equivalent": True},
    ]


def test_an_equivalent_that_finds_more_than_something_may_stay_out(
    harvester, skos, catalogue, use_sandbox
):
    items = [
        replace(item, concepts=[f"{AAT}300028094"]) if n % 60 == 3 else item
        for n, item in enumerate(catalogue.items)
    ]
    with Sandbox(replace(catalogue, items=items)) as sandbox:
        use_sandbox(sandbox)
        ended = harvester(*skos, "--online", "--concept", "map", "--json")
    ((_, finding, _, must_change),) = told(ended.stdout, "map")
    assert f"finds 15 records; its equivalent {CONCEPT}43 finds " in finding
    assert must_change == "no"


def test_an_exact_match_counts_and_old_forms_count_as_one(harvester, skos, catalogue, use_sandbox):
    concepts = {f"{CONCEPT}43": [f"{AAT}300028094"], f"{CONCEPT}47": [f"{CONCEPT}base/47"]}
    items = [
        replace(item, concepts=concepts.get(item.concepts[0], item.concepts)) if n % 4 else item
        for n, item in enumerate(catalogue.items)
    ]
    with Sandbox(replace(catalogue, items=items)) as sandbox:
        use_sandbox(sandbox)
        shown = harvester(*skos, "--online", exit_code=1).stdout.splitlines()
    assert shown[0].split() == ["label", "records", "by", "URI"]
    assert f"http://museum.example/map 0, {AAT}300028094 " in shown[2]
    assert f"{CONCEPT}47 finds 1" in " ".join(shown[3:])


def test_skos_is_checked_and_a_match_of_two_concepts_is_told(harvester, skos):
    assert harvester(*skos).stdout == "v.ttl: nothing to change.\n"
    both = SKOS.replace('"canvas"@en', f'"canvas"@en ; skos:exactMatch <{AAT}300028094>')
    (harvester.folder / "v.ttl").write_text(both)
    ended = harvester(*skos, "--json", exit_code=1)
    assert f"its exactMatch {AAT}300028094 stands for" in ended.stdout
    (harvester.folder / "v.ttl").write_text("<http://a.org/x> b")
    assert "v.ttl, line 1: not valid Turtle" in harvester(*skos, exit_code=2).stderr


def test_only_the_concepts_that_are_named_are_asked_about(harvester, skos, sandbox):
    ended = harvester(*skos, "--online", "--concept", "canvas", "--json", exit_code=1)
    assert [each["label"] for each in json.loads(ended.stdout)["records"]] == ["canvas"]
    assert sandbox.log["127.0.0.1"].requests <= 5
