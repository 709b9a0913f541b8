"""The commands about jobs, as they are typed."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from tests.worker.ledger_rows import claim, finish
from worker.cli import main
from worker.jobs import cancel

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
    assert "3 records enqueued; left out: 1 duplicates." in worker.err
    job = worker.out.strip()
    for command, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert worker(command, job) == 0
        worker("jobs", "--state", state, "--json")
        (row,) = json.loads(worker.out)
        assert (row["job"], row["state"], row["priority"]) == (job, state, "urgent")
    assert worker("resume", job) == 2
    assert "is cancelled" in worker.err
    assert worker("jobs") == 0
    assert job in worker.out


def test_bad_lines_refuse_a_list_or_are_left_out(
    engine: Engine, worker: Terminal, tmp_path: Path
) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("/1/a\nnonsense\n")
    assert worker("enqueue", str(listed)) == 2
    assert f"{listed}, line 2: 'nonsense'" in worker.err
    assert worker("enqueue", str(listed), "--skip-invalid") == 0
    assert "1 records enqueued; left out: 1 without a record ID." in worker.err
    assert "line 2" in worker.err


def test_a_dry_run_writes_nothing(engine: Engine, worker: Terminal, records: list[str]) -> None:
    assert worker("enqueue", "--unseen", "--dry-run") == 0
    assert "600 records in 3 chunks would be enqueued for test v1." in worker.err
    assert worker.out == ""
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == 0


def test_pictures_of_another_kind_than_the_models_are_warned_about(
    engine: Engine, worker: Terminal, records: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET picture_source = 'media'"))
    warning = "The model was trained on the providers' files, the job looks at Europeana's thumb"
    for arguments, warned in (((), True), (("--dry-run",), True), (("--picture", "auto"), False)):
        assert worker("enqueue", "--unseen", *arguments) == 0
        assert (warning in worker.err) == warned, arguments
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE job CASCADE"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("enqueue",),
        ("enqueue", "ids.txt", "--name", "maps"),
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
        ("enqueue", "--name", "\udcff"),
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
