"""`worker export` as its user types it."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner, Result

from common.store.decisions import block
from tests.worker.shelf import MAP, PAINTING, THUMBNAIL, Shelf
from worker.cli import app
from worker.exports.asking import Format

WORKER = str(Path(sys.executable).with_name("worker"))


def export(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.fixture
def filled(shelf: Shelf) -> Shelf:
    shelf.add("/1/a", MAP, 0.9)
    shelf.add("/1/a", PAINTING, 0.6)
    shelf.add("/1/B", PAINTING, 0.8, source="thumbnail", image_url=THUMBNAIL)
    return shelf


@pytest.mark.parametrize("file_format", get_args(Format))
def test_the_same_enrichments_give_the_same_bytes_however_they_were_written(
    filled: Shelf, tmp_path: Path, file_format: str
) -> None:
    job, files = filled.jobs["vases 1"], [tmp_path / "first", tmp_path / "second"]
    assert export(job, files[0], "--format", file_format).exit_code == 0
    filled.execute("UPDATE enrichment SET confidence = 0.1 WHERE record_id = '/1/a'")
    filled.execute("UPDATE enrichment SET confidence = 0.9 WHERE concept_uri = :uri", uri=MAP)
    filled.execute("UPDATE enrichment SET confidence = 0.6 WHERE confidence = 0.1")
    assert export(job, files[1], "--format", file_format).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes() != b""


def test_a_model_and_a_time_are_exported_alike(filled: Shelf, tmp_path: Path) -> None:
    by_job, by_model, by_time = (tmp_path / name for name in ("job", "model", "time"))
    export(filled.jobs["vases 1"], by_job)
    export("--model", "vases@1", by_model)
    done = export("--since", "2026-11-23T22:00Z", "--model", "vases", by_time)
    assert "3 enrichments written" in done.output
    assert by_job.read_bytes() == by_model.read_bytes() == by_time.read_bytes()


def test_a_time_that_is_to_come_is_told(filled: Shelf) -> None:
    done = export("--since", "2999-11-23T22:00Z")
    assert done.exit_code == 0
    assert "2999-11-23 22:00 UTC is in the future, so the export has no enrichment." in done.stderr
    assert "in the future" not in export("--since", "2026-01-01").stderr


def test_annotations_of_images_on_standard_output(filled: Shelf) -> None:
    job = str(filled.jobs["vases 1"])
    done = export(job, "--format", "jsonld", "--target", "image")
    (page,) = map(json.loads, done.stdout.splitlines())
    targets = [item["target"] for item in page["items"]]
    assert [isinstance(target, dict) for target in targets] == [False, True, True]


def test_what_an_earlier_job_found_is_told_of(filled: Shelf) -> None:
    job = filled.jobs["vases 1"]
    failed = "INSERT INTO job_failure (job_id, record_id, stage, reason) VALUES (:job, '/1/a', "
    filled.execute(failed + "'fetch', 'timeout')", job=job)
    done = export(job)
    assert (
        "2 of these enrichments were found by an earlier job, and their records failed in this"
        in done.stderr
    )
    assert "earlier job" not in export("--model", "vases@1").stderr


def test_an_unfinished_job_is_exported_with_a_remark(filled: Shelf) -> None:
    filled.execute("UPDATE job SET state = 'running', finished_at = NULL")
    done = export(filled.jobs["vases 1"])
    assert done.exit_code == 0
    assert "not finished" in done.stderr
    assert done.stdout.count("\n") == 4


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["out.csv"],
        ["--model", "urns", "out.csv"],
        ["--since", "soon", "out.csv"],
        ["--model", "vases", "--target", "image", "out.csv"],
        ["--model", "vases", "--format", "xml", "out.csv"],
        ["--model", "vases", "--with-wrong", "--confirmed-only", "out.csv"],
    ],
)
def test_wrong_usage_is_one_message_and_no_file(
    filled: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = export(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file_format", get_args(Format))
def test_an_export_whose_reader_goes_away_ends_without_a_word(
    filled: Shelf, file_format: str
) -> None:
    filled.execute(
        "INSERT INTO record (id) SELECT '/2/r' || number FROM generate_series(1, 20000) AS number"
    )
    filled.execute(
        "INSERT INTO enrichment (record_id, concept_uri, model_id, confidence, source, image_url,"
        " job_id) SELECT record.id, :uri, model_id, 0.5, 'media', 'http://m.example/', job.id"
        " FROM record, job WHERE record.id LIKE '/2/%' AND job.id = :job",
        uri=MAP,
        job=filled.jobs["vases 1"],
    )
    command = [WORKER, "export", "--model", "vases", "--format", file_format]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read(4)
        process.stdout.close()
        complaint = process.stderr.read().decode()
        assert process.wait(timeout=180) == 1
    lines = [line for line in complaint.splitlines() if not line.startswith("export:")]
    assert lines == []


@pytest.mark.parametrize("file_format", get_args(Format))
def test_an_export_says_how_many_enrichments_are_blocked(
    filled: Shelf, tmp_path: Path, file_format: str
) -> None:
    filled.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'operator')")
    block(filled.engine, PAINTING, data_provider=None, reason="too general", user_id=1)
    done = export("--model", "vases", tmp_path / "file", "--format", file_format)
    assert "1 enrichment written" in done.output
    assert "2 are left out, because decisions block them." in done.output
    assert PAINTING.encode() not in (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("file_format", get_args(Format))
def test_what_reviewers_call_wrong_is_left_out_unless_it_is_asked_for(
    filled: Shelf, tmp_path: Path, file_format: str
) -> None:
    filled.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'reviewer')")
    say(filled, "/1/a", PAINTING, "wrong")
    say(filled, "/1/B", PAINTING, "too_general")
    done = export("--model", "vases", tmp_path / "file", "--format", file_format)
    assert "2 enrichments written" in done.output
    assert "1 is left out, because reviewers call it wrong." in done.output
    asked = ("--model", "vases", "--format", file_format, "--with-wrong")
    assert "3 enrichments written" in export(*asked, tmp_path / "all").output


def test_a_table_says_what_reviewers_say(filled: Shelf, tmp_path: Path) -> None:
    filled.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'reviewer')")
    say(filled, "/1/a", PAINTING, "wrong")
    say(filled, "/1/B", PAINTING, "too_general")
    export("--model", "vases", tmp_path / "all.csv", "--with-wrong")
    rows = csv.DictReader((tmp_path / "all.csv").read_text().splitlines())
    assert [row["verdict"] for row in rows] == ["too_general", "", "wrong"]


@pytest.mark.parametrize("file_format", get_args(Format))
def test_only_what_reviewers_confirmed_is_exported_on_request(
    filled: Shelf, tmp_path: Path, file_format: str
) -> None:
    filled.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'reviewer')")
    say(filled, "/1/a", PAINTING, "too_general")
    say(filled, "/1/a", MAP, "right")
    asked = ("--model", "vases", "--format", file_format, "--confirmed-only")
    assert "1 enrichment written" in export(*asked, tmp_path / "file").output
    assert MAP.encode() in (tmp_path / "file").read_bytes()


def test_changes_in_edm_are_two_files(filled: Shelf, tmp_path: Path) -> None:
    filled.execute("INSERT INTO desk_user (name, role) VALUES ('ann', 'reviewer')")
    say(filled, "/1/a", MAP, "right")
    say(filled, "/1/a", PAINTING, "wrong")
    filled.execute("DELETE FROM enrichment WHERE record_id = '/1/B'")
    file, removed = tmp_path / "delta.rdf", tmp_path / "delta.removed.rdf"
    since = ("--since", "2026-11-24T00:00Z")
    done = export(*since, file, "--json")
    told = json.loads(done.stdout)
    assert (told["written"], told["removed"], told["removed_file"]) == (1, 2, str(removed))
    assert 'edm:wasGeneratedBy="Person"' in file.read_text()
    assert removed.read_text().count(PAINTING) == 2
    assert f"2 statements to remove: {removed}" in done.stderr.replace("\n", "")
    file.unlink()
    assert "overwrite it with --force" in export(*since, file).stderr
    assert not file.exists()
    told = export(*since, "--format", "edm").stderr
    assert "Standard output cannot hold the statements to remove." in told


def say(shelf: Shelf, record_id: str, concept: str, said: str) -> None:
    shelf.execute(
        "INSERT INTO verdict (id, record_id, concept_uri, said, user_id)"
        " VALUES (gen_random_uuid(), :record_id, :concept, :said, 1)",
        record_id=record_id,
        concept=concept,
        said=said,
    )


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.rdf", "out.parquet"])
def test_a_file_has_the_format_that_its_name_says(filled: Shelf, tmp_path: Path, name: str) -> None:
    assert export(filled.jobs["vases 1"], tmp_path / name).exit_code == 0
    begins = {
        "out.csv": b"record_id,",
        "out.jsonl": b"{",
        "out.rdf": b"<?xml",
        "out.parquet": b"PAR1",
    }
    assert (tmp_path / name).read_bytes().startswith(begins[name])


def test_a_file_that_exists_is_overwritten_only_by_force(filled: Shelf, tmp_path: Path) -> None:
    job, file = filled.jobs["vases 1"], tmp_path / "out.csv"
    file.write_text("mine")
    refused = export(job, file)
    assert (refused.exit_code, file.read_text()) == (2, "mine")
    assert "overwrite it with --force" in refused.stderr
    assert export(job, file, "--force").exit_code == 0
    assert file.read_text().startswith("record_id,")
    assert export(job, "/dev/null", "--force").exit_code == 2


def test_parquet_is_not_written_to_a_terminal(filled: Shelf) -> None:
    controller, terminal = os.openpty()
    command = [WORKER, "export", str(filled.jobs["vases 1"]), "--format", "parquet"]
    ended = subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, check=False)
    os.close(terminal)
    os.close(controller)
    assert ended.returncode == 2
    assert b"not written to a terminal" in ended.stderr


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_an_output_that_is_closed_is_refused(filled: Shelf, file_format: str) -> None:
    command = [WORKER, "export", str(filled.jobs["vases 1"]), "--format", file_format]
    ended = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, check=False
    )
    assert ended.returncode == 2
    assert b"error: Standard output is closed" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_what_was_written_is_told_as_json(filled: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    done = export(filled.jobs["vases 1"], file, "--json")
    counts = {"written": 3, "left_out": 0, "wrong": 0}
    counts |= dict.fromkeys(("removed_file", "removed", "config_file"))
    assert json.loads(done.stdout) == {"file": str(file)} | counts
    assert export("last", "--json").exit_code == 2


def test_tasks_of_label_studio_come_with_their_configuration(filled: Shelf, tmp_path: Path) -> None:
    filled.execute("UPDATE model SET labels = ARRAY[:map, :painting]", map=MAP, painting=PAINTING)
    done = export("--model", "vases@1", tmp_path / "t.json", "--format", "label-studio")
    assert "Labelling configuration:" in done.output
    assert len(json.loads((tmp_path / "t.json").read_text())) == 2
    configuration = (tmp_path / "t.config.xml").read_text()
    assert f'value="painting" alias="{PAINTING}"' in configuration
    assert f'value="map" alias="{MAP}"' in configuration
    again = export("--model", "vases@1", tmp_path / "t.json", "--format", "label-studio")
    assert again.exit_code == 2
