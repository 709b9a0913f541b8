"""Verdicts of other tools: every item is accounted for, and nothing is there twice."""

import csv
import io
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.errors import UsageError
from common.process.settings.desk import AccessSettings
from common.store.tables import VerdictKind
from common.store.teaching.verdicts import taught_labels
from desk.access.accounts import local_operator
from desk.cli import app
from desk.review.exchange.foreign_verdict import ItemFate
from desk.review.exchange.importing import import_verdicts
from tests.desk.museum import MAP, PAINTING, VASE, Museum
from tests.fuzz.mutating import mutated
from tests.worker.exports.rows import row
from worker.exports.formats.label_studio import write_tasks

ROOT = Path(__file__).resolve().parents[4]
SAMPLE = ROOT.parent / "shared/europeana/samples/annotation/crowdheritage_export_aister_2026.json"

SAID = """
    SELECT record_id, concept_uri, said, name FROM verdict JOIN desk_user ON user_id = desk_user.id
    WHERE withdrawn_at IS NULL AND audit_id IS NULL ORDER BY record_id, concept_uri, name
"""
BOB, EVE = "bob@museum.example (Label Studio)", "user 7 (Label Studio)"


@pytest.fixture
def museum(museum: Museum) -> Museum:
    museum.records("A museum", "/1/a", "/1/b", "/1/c")
    museum.model("vases")
    return museum


def choice(*concepts, at="2026-01-01", by=7, **more):
    result = [{"type": "choices", "value": {"choices": list(concepts)}, "from_name": "choice"}]
    return {"result": result, "completed_by": by, "updated_at": at} | more


def task(record_id, *annotations):
    suggested = {MAP: "vases v1", PAINTING: "vases v1"}
    return {"id": 1, "data": {"record_id": record_id, "suggested": suggested, "image": "x"}} | {
        "annotations": list(annotations)
    }


def crowd(source, body=MAP, creator="Software", **review):
    return {"type": "Annotation", "body": body, "target": {"source": source}} | {
        "creator": {"type": creator, "name": "vases v1"},
        "review": {"type": "Validation"} | review,
    }


TASKS = [
    task("/1/a", choice(MAP, by={"id": 3, "email": "bob@museum.example"}), choice(MAP, VASE)),
    task("/1/b", choice(PAINTING, at="2026-01-02"), choice(MAP)),
    task("/1/c", choice(was_cancelled=True)),
    task("/1/c"),
    task("/9/none", choice(MAP)),
    task("/1/c", choice("http://x.org/none", MAP, PAINTING)),
    {"data": {}},
]
CAMPAIGN = {
    "@context": {},
    "@graph": [
        crowd("/1/a", upvotes=2, downvotes=1),
        crowd("http://data.europeana.eu/item/1/b", recommendation="reject"),
        crowd("/1/b", VASE, "Person"),
        crowd("/1/c"),
        crowd("/1/c", {"type": "TextualBody", "value": "a map"}, upvotes=1),
        crowd("/1/c", upvotes=101),
    ],
}


def imported(museum, folder, content, name="given.json"):
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    report = folder / "report.csv"
    done = import_verdicts(museum.engine, folder / name, report_path=report)
    with report.open() as stream:
        rows = list(csv.DictReader(stream))
    assert Counter(row["fate"] for row in rows) == done.fates
    return dict(done.fates), rows


def test_annotations_of_label_studio_are_verdicts_of_their_annotators(museum, tmp_path):
    fates, rows = imported(museum, tmp_path, TASKS)
    assert museum.rows(SAID) == [
        ("/1/a", VASE, "right", EVE),
        ("/1/a", MAP, "right", BOB),
        ("/1/a", MAP, "right", EVE),
        ("/1/a", PAINTING, "wrong", BOB),
        ("/1/a", PAINTING, "wrong", EVE),
        ("/1/b", MAP, "wrong", EVE),
        ("/1/b", PAINTING, "right", EVE),
        ("/1/c", MAP, "right", EVE),
        ("/1/c", PAINTING, "right", EVE),
    ]
    assert fates == {
        ItemFate.IMPORTED: 9,
        ItemFate.CONTRADICTED: 2,
        ItemFate.CANCELLED: 1,
        ItemFate.NOT_JUDGED: 1,
        ItemFate.UNKNOWN_RECORD: 2,
        ItemFate.UNKNOWN_CONCEPT: 1,
        ItemFate.UNREADABLE: 1,
    }
    assert {row["item"] for row in rows} == set("1234567")
    of_models = museum.rows("SELECT DISTINCT concept_uri FROM verdict WHERE model_id IS NOT NULL")
    assert {uri for (uri,) in of_models} == {MAP, PAINTING}


def test_our_own_tasks_come_back_as_verdicts(museum, tmp_path):
    stream = io.BytesIO()
    write_tasks([row(), row(concept=PAINTING)], stream, api_url="https://api.example")
    (ours,) = json.loads(stream.getvalue())
    chosen = ours["predictions"][0]["result"]
    imported(museum, tmp_path, [ours | {"annotations": [{"result": chosen, "completed_by": 7}]}])
    assert museum.rows(SAID) == [
        ("/1/a", MAP, "right", EVE),
        ("/1/a", PAINTING, "wrong", EVE),
    ]


def test_a_real_campaign_is_accounted_for(museum, tmp_path):
    if not SAMPLE.exists():
        pytest.skip("the sample of a CrowdHeritage export is not here")
    fates, _ = imported(museum, tmp_path, SAMPLE.read_text())
    assert fates == {ItemFate.UNKNOWN_CONCEPT: 30}  # texts


def test_votes_of_crowdheritage_are_verdicts(museum, tmp_path):
    fates, _ = imported(museum, tmp_path, CAMPAIGN)
    assert museum.rows(SAID) == [
        ("/1/a", MAP, "wrong", "downvote 1 (CrowdHeritage)"),
        ("/1/a", MAP, "right", "upvote 1 (CrowdHeritage)"),
        ("/1/a", MAP, "right", "upvote 2 (CrowdHeritage)"),
        ("/1/b", VASE, "right", "vases v1 (CrowdHeritage)"),
        ("/1/b", MAP, "wrong", "campaign (CrowdHeritage)"),
    ]
    assert fates == {
        ItemFate.IMPORTED: 5,
        ItemFate.NOT_JUDGED: 1,
        ItemFate.UNKNOWN_CONCEPT: 1,
        ItemFate.UNREADABLE: 1,
    }


def test_a_second_import_changes_nothing_and_a_changed_mind_counts(museum, tmp_path):
    imported(museum, tmp_path, TASKS)
    first = museum.rows("SELECT xmin, * FROM verdict")
    fates, _ = imported(museum, tmp_path, TASKS)
    assert museum.rows("SELECT xmin, * FROM verdict") == first
    assert ItemFate.IMPORTED not in fates
    assert fates[ItemFate.ALREADY_THERE] == 9
    imported(museum, tmp_path, [task("/1/c", choice(PAINTING, at="2026-02-01"))])
    assert ("/1/c", MAP, "wrong", EVE) in museum.rows(SAID)


def test_what_is_exported_is_imported_elsewhere_and_is_already_here(museum, tmp_path):
    museum.say("anna", "/1/a", MAP, VerdictKind.WRONG, instead=VASE)
    museum.say("anna", "/1/b", MAP, VerdictKind.CANNOT_TELL)
    file, report = str(tmp_path / "v.jsonl"), str(tmp_path / "r.csv")
    assert CliRunner().invoke(app, ["verdicts", "export", file]).exit_code == 0
    assert CliRunner().invoke(app, ["verdicts", "export", file]).exit_code == 2
    arguments = ["verdicts", "import", file, "--report", report]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(done.stdout)["fates"] == {"already there": 2}
    before = museum.rows("SELECT record_id, said, instead_uri FROM verdict ORDER BY 1")
    museum.execute("DELETE FROM verdict")
    shown = CliRunner().invoke(app, arguments)
    assert "imported" in shown.stdout
    assert museum.rows("SELECT record_id, said, instead_uri FROM verdict ORDER BY 1") == before
    assert {name for *_, name in museum.rows(SAID)} == {"anna (imported)"}


def test_imported_verdicts_teach_and_enter_no_audit(museum, tmp_path):
    imported(museum, tmp_path, [task("/1/b", choice(PAINTING))])
    with museum.engine.connect() as connection:
        (taught,) = taught_labels(connection).records
    assert (taught.record_id, taught.concepts) == ("/1/b", (PAINTING,))
    assert museum.rows("SELECT count(*) FROM verdict WHERE audit_id IS NOT NULL") == [(0,)]


def test_an_import_locks_nobody_out_of_a_desk_without_accounts(museum, tmp_path):
    imported(museum, tmp_path, TASKS)
    local = local_operator(museum.engine, AccessSettings(), address="127.0.0.1", word="w")
    assert local is not None
    museum.user("a person")
    assert local_operator(museum.engine, AccessSettings(), address="127.0.0.1", word="w") is None


@pytest.mark.parametrize("content", ["", "{}", "null", "[" * 9000, "record_id,said\n", "\x00"])
def test_a_file_of_no_known_tool_is_refused(museum, tmp_path, content):
    with pytest.raises(UsageError, match="is not a file of verdicts"):
        imported(museum, tmp_path, content)
    with pytest.raises(UsageError, match="Give another --report"):
        import_verdicts(museum.engine, tmp_path / "x", report_path=tmp_path / "x")


def test_a_thousand_mutated_files_are_refused_or_read_item_by_item(museum, tmp_path):
    museum.say("anna", "/1/a", MAP, VerdictKind.WRONG, instead=VASE)
    CliRunner().invoke(app, ["verdicts", "export", str(tmp_path / "own.jsonl")])
    seeds = [json.dumps(each).encode() for each in (TASKS, CAMPAIGN)]
    seeds.append((tmp_path / "own.jsonl").read_bytes() * 3)
    chance, refused = random.Random(1), 0
    file = tmp_path / "mutated"
    for number in range(1_000):
        file.write_bytes(mutated(seeds[number % 3], seeds, chance))
        try:
            done = import_verdicts(museum.engine, file, report_path=tmp_path / "report.csv")
        except UsageError:
            refused += 1
        else:
            assert sum(done.fates.values()) == len(Path(done.report).read_text().splitlines()) - 1
    assert 100 < refused < 900
