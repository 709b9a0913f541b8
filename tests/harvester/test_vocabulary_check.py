import json

import pytest

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
        for each in json.loads(output)
        if each["label"] == label
    ]


def test_a_good_vocabulary_needs_nothing(harvester, check):
    good = json.dumps({"map": f"{CONCEPT}43", "weaponry": f"{AAT}300036926"})
    assert json.loads(check(good, exit_code=0).stdout) == []
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
        "chart": "http://data.europeana.eu/concept/base/43", "toy": "no"}"""
    ended = check(text, exit_code=1)
    assert "lower-case" in told(ended.stdout, "Map")[0][1]
    assert "needs a concept URI" in told(ended.stdout, "toy")[0][1]
    assert "the same concept as Map" in str(told(ended.stdout, "chart"))
    assert "is there twice" in str(told(ended.stdout, "toy"))
    assert "findings must be fixed" in ended.stderr


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
    assert told(ended.stdout, "weaponry")[0][3] == "no"
    assert f"{CONCEPT}47" in told(ended.stdout, "canvas")[0][1]
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
