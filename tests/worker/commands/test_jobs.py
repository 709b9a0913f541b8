"""The commands about jobs, as they are typed."""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from deploy.local import Services
from tests.worker.ledger_rows import claim, finish
from worker.cli import main
from worker.jobs import cancel
from worker.ledger.roster import WorkerProblem, WorkerState, tell

pytestmark = pytest.mark.usefixtures("model_id")


class Terminal:
    """Runs a command and keeps what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr("sys.argv", ["worker", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        self.out, self.err = told.out, re.sub(r"\s+", " ", told.err)
        return int(ended.value.code or 0)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_files_become_a_job_that_is_paused_resumed_cancelled_and_listed(
    engine: Engine, worker: Terminal, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("/1/a\n/1/b\n")
    second.write_text("/1/b\nhttp://data.europeana.eu/item/1/c\n")
    assert worker("enqueue", str(first), str(second), "--priority", "urgent") == 0
    assert "3 records enqueued; left out: 1 duplicate." in worker.err
    job = worker.out.strip()
    for command, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert worker(command, job) == 0
        worker("jobs", "--state", state, "--json")
        (row,) = json.loads(worker.out)
        assert (row["job_id"], row["state"], row["priority"]) == (job, state, "urgent")
    assert worker("resume", job) == 2
    assert "is cancelled" in worker.err
    assert worker("jobs") == 0
    assert job in worker.out
    assert worker("status", job) == 0
    assert "3  given up" in worker.out


def test_bad_lines_refuse_a_list_or_are_left_out(
    engine: Engine, worker: Terminal, tmp_path: Path
) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("/1/a\nnonsense\n")
    assert worker("enqueue", str(listed)) == 2
    assert f"{listed}, line 2: 'nonsense'" in worker.err
    assert worker("enqueue", str(listed), "--skip-invalid") == 0
    assert "1 record enqueued; left out: 1 without a record ID." in worker.err
    told = f"{listed}, line 2: 'nonsense' is not a record ID. Give /dataset/local, an item URI"
    assert told in worker.err  # in one line


def test_a_list_without_any_record_id_is_told_from_an_empty_one(
    engine: Engine, worker: Terminal, tmp_path: Path
) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("id,title\n" + "nonsense\n" * 10)
    assert worker("enqueue", str(listed), "--skip-invalid") == 2
    assert "the list has 11 lines without a record ID." in worker.err
    assert f"{listed}, line 1: 'id,title' is not a record ID" in worker.err
    listed.write_text("")
    assert worker("enqueue", str(listed), "--skip-invalid") == 2
    assert "the list is empty" in worker.err


def test_a_dry_run_counts_what_the_store_does_not_know(
    engine: Engine, worker: Terminal, tmp_path: Path
) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("/1/unknown\n")
    assert worker("enqueue", str(listed), "--dry-run") == 0
    assert "1 record in 1 chunk would be enqueued for test v1. Not in the store: 1; " in worker.err


def test_a_dry_run_writes_nothing(engine: Engine, worker: Terminal, records: list[str]) -> None:
    assert worker("enqueue", "--unseen", "--dry-run") == 0
    said = "600 records in 3 chunks would be enqueued for test v1. Nothing was written."
    assert said in worker.err
    assert worker.out == ""
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == 0


def test_pictures_of_another_kind_than_the_models_are_warned_about(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET picture_source = 'media'"))
    warning = "The model was trained on the providers' files, but the job looks at Europeana's th"
    for arguments, warned in (((), True), (("--dry-run",), True), (("--picture", "auto"), False)):
        assert worker("enqueue", "--unseen", *arguments) == 0
        assert (warning in worker.err) == warned, arguments
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE job CASCADE"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("enqueue",),
        ("enqueue", "ids.txt", "--dataset", "maps"),
        ("enqueue", "missing.txt"),
        ("enqueue", "--data-provider", "Zoo"),
        ("status", str(uuid4())),
        ("cancel", "nonsense"),
        ("retry", str(uuid4()), "--reason", "timeout"),
        ("retry", str(uuid4()), "--reason", "\udcff"),
        ("enqueue", "--unseen", "--idempotency-key", "k" * 4000),
        ("enqueue", "--unseen", "--idempotency-key", ""),
        ("enqueue", "--unseen", "--idempotency-key", "a\x1b[31m"),
        ("enqueue", "--unseen", "--idempotency-key", "\udcff"),
        ("enqueue", "--dataset", "\udcff"),
        ("enqueue", "--data-provider", "a\0"),
        ("enqueue", "--concept", "c" * 4000),
        ("enqueue", "--unseen", "--max-age", "soon"),
        ("enqueue", "--unseen", "--max-age", "30d", "--look-again"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    engine: Engine, worker: Terminal, arguments: tuple[str, ...]
) -> None:
    assert worker(*arguments) == 2
    assert "Traceback" not in worker.err


def test_a_second_model_is_told_how_to_get_a_job_of_its_own(
    worker: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "ids.txt").write_text("/1/a\n")
    asked = ("enqueue", str(tmp_path / "ids.txt"), "--model", "test@1")
    for more in ((), ("--dry-run",)):
        assert worker(*asked, "--model", "other", *more) == 2
        assert "When this job is done, enqueue them for the next" in worker.err
    assert worker(*asked) == 0


def test_failures_are_shown_and_tried_again(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen", "--picture", "auto")
    job = worker.out.strip()
    lease = claim(engine, UUID(job), 1)
    finish(engine, lease, failed=dict.fromkeys(lease.record_ids[:3], "not_found"))
    assert worker("status", job) == 0
    for shown in ("not_found", "253", "museum.example: 3 failed"):
        assert shown in worker.out
    assert worker("retry", job, "--reason", "not_found") == 0
    assert "3 records will be tried again" in worker.err
    worker("status", job, "--json")
    told = json.loads(worker.out)
    assert (told["failed"], told["waiting"], told["failing_hosts"]) == (0, 347, [])


def test_a_job_is_watched_on_a_terminal_until_it_is_over(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen", "--picture", "auto")
    job = UUID(worker.out.strip())
    lease = claim(engine, job, 1)
    finish(engine, lease, failed=dict.fromkeys(lease.record_ids[:3], "not_found"))
    finish(engine, claim(engine, job, 2))
    with engine.begin() as connection:
        began = "UPDATE job_chunk SET settled_at = now() - interval '1 min' WHERE number = 1"
        connection.execute(text(began))
    controller, terminal = os.openpty()
    command = [str(Path(sys.executable).with_name("worker")), "status", str(job), "--watch"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with (
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=terminal) as run,
        os.fdopen(controller, "rb", buffering=0) as screen,
    ):
        os.close(terminal)
        shown = screen.read(1)  # then it watches
        cancel(engine, job)
        with suppress(OSError):  # EIO is the end of a terminal
            while part := screen.read(4096):
                shown += part
        result, _ = run.communicate(timeout=30)
    for part in ("running", "not_found", "509", "records/s", "left", "museum.example: 3 failed"):
        assert part in shown.decode()
    assert f"{job}: cancelled" in result.decode()


def test_a_known_key_says_which_job_and_fails_if_that_was_cancelled(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    asked = ("enqueue", "--unseen", "--idempotency-key", "nightly")
    assert worker(*asked) == 0
    job = worker.out.strip()
    assert worker(*asked) == 0
    assert worker.out.strip() == job
    assert f"Job {job} has this idempotency key and is running" in worker.err
    cancel(engine, UUID(job))
    assert worker(*asked) == 1
    assert worker.out == ""
    assert f"{job} has this idempotency key and was cancelled: nothing was added" in worker.err


def test_enqueueing_says_who_works_on_it(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen", "--name", "first")
    assert "The job is in the store. No worker is alive." in worker.err
    assert "Next: worker status first --watch" in worker.err
    refused = WorkerProblem(what="the API key is refused", seconds=5)
    tell(engine, WorkerState(name="host:1", problems=(refused,), idle_seconds=None))
    cancel(engine, UUID(json.loads(_status(worker, "first"))["job_id"]))
    worker("enqueue", "--unseen")
    assert "the workers could not work: host:1: the API key is refused." in worker.err
    tell(engine, WorkerState(name="host:2"))
    cancel(engine, UUID(worker.out.strip()))
    worker("enqueue", "--unseen")
    assert "1 worker finds the job within seconds." in worker.err


def test_the_next_command_can_be_typed_as_it_is_named(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen", "--name", "the museum's $5 maps")
    _, _, named = worker.err.partition("Next: ")
    assert worker(*shlex.split(named.removesuffix("--watch "))[1:]) == 0
    assert "the museum's $5 maps" in worker.out


def _status(worker: Terminal, job: str) -> str:
    worker("status", job, "--json")
    return worker.out


def test_what_keeps_workers_from_a_job_is_told(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen")
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET created_at = now() - interval '1 hour'"))
    tell(engine, WorkerState(name="host:1", idle_seconds=40))
    assert worker("status", "last") == 0
    assert re.search(r"No worker took a chunk for 4\d s\.", worker.out)
    refused = WorkerProblem(what="the API key is refused", seconds=90)
    tell(engine, WorkerState(name="host:1", problems=(refused,), idle_seconds=40))
    worker("status", "last")
    assert "Worker host:1: the API key is refused (for 0:01:30, since 20" in worker.out
    broker = WorkerProblem(what="the broker is away", seconds=9, stops=False)
    tell(engine, WorkerState(name="host:1", problems=(broker,), idle_seconds=0))
    worker("status", "last")
    assert ". The worker continues to work." in worker.out
    claim(engine, UUID(json.loads(_status(worker, "last"))["job_id"]), 1)
    worker("status", "last")
    assert "256 records were in work with a worker that is no longer alive." in worker.out
    told = json.loads(_status(worker, "last"))
    assert [each["name"] for each in told["workers"]] == ["host:1"]


def test_the_time_left_leaves_out_what_is_tried_again_later(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen")
    job = worker.out.strip()
    with engine.begin() as connection:
        put_off = "UPDATE job_chunk SET retries = 1, not_before = now() + interval '1 hour'"
        connection.execute(text(f"{put_off} WHERE number = 3"))
    for number in (1, 2):
        finish(engine, claim(engine, UUID(job), number))
    told = json.loads(_status(worker, job))
    assert (told["waiting"], told["put_off"], told["seconds_left"]) == (88, 88, None)
    assert worker("status", job) == 0
    assert "next try: 20" in worker.out


def test_a_watched_job_survives_a_database_that_blinks(
    services: Services, engine: Engine, worker: Terminal, records: list[str]
) -> None:
    worker("enqueue", "--unseen")
    job = worker.out.strip()
    command = [str(Path(sys.executable).with_name("worker")), "status", job, "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stderr
        assert b"running: 0 of 600 records" in run.stderr.readline()
        services.postgres.stop()
        while b"until the database answers" not in (line := run.stderr.readline()):
            assert line
        services.postgres.start()
        cancel(engine, UUID(job))
        result, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert f"{job}: cancelled" in result.decode()


@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "retry", "status", "export"])
def test_a_job_that_nobody_knows_is_wrong_usage(
    engine: Engine, worker: Terminal, command: str
) -> None:
    assert worker(command, "abcd") == 2
    assert (
        worker.err.strip()
        == "error: 'abcd' is not the ID, prefix or name of a job. List jobs: worker jobs"
    )


def test_steering_is_told_as_json(engine: Engine, worker: Terminal, records: list[str]) -> None:
    worker("enqueue", "--unseen", "--json")
    accepted = json.loads(worker.out)
    assert (accepted["total"], accepted["state"], accepted["already_known"]) == (
        600,
        "running",
        False,
    )
    worker("pause", "last", "--json")
    assert json.loads(worker.out) == {
        "job_id": accepted["job_id"],
        "state": "paused",
        "tried_again": 0,
    }
    worker("enqueue", "--unseen", "--dry-run", "--json")
    assert worker.out == ""  # all are seen, so that is wrong usage


def test_a_list_fits_sixty_columns(
    engine: Engine, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, terminal = os.openpty()
    command = [str(Path(sys.executable).with_name("worker"))]
    subprocess.run([*command, "enqueue", "--unseen", "--name", "maps"], check=True)
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "60", "NO_COLOR": "1"}
    subprocess.run([*command, "jobs"], env=environment, stdout=terminal, check=True)
    os.close(terminal)
    shown = b""
    with os.fdopen(controller, "rb", buffering=0) as screen, suppress(OSError):
        while part := screen.read(4096):
            shown += part
    assert b"maps" in shown
    assert b"\x1b[3" not in shown  # no colour
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert max(len(line) for line in plain.splitlines()) <= 60
