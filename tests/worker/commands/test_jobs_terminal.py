"""The commands about jobs on a pseudo-terminal: strangers' names give it no orders."""

import os
import pty
import re
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from worker import jobs
from worker.jobs import FailingHost
from worker.jobs.watch import show_jobs, show_status

pytestmark = pytest.mark.usefixtures("model_id")
HOSTILE = "mus\x1b]0;owned\x1b\\eum\x1b[2J\x9b2J\u202e[/]"
SHOWN = r"mus\x1b]0;owned\x1b\eum\x1b[2J\x9b2J\u202e[/]"
OURS = re.compile(r"\x1b\[[0-9;]*m")  # colours


def shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> str:
    """What a terminal gets of it; little enough for its buffer."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "150")
    leader, follower = pty.openpty()
    try:
        with open(follower, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
            monkeypatch.setattr(sys, "stdout", terminal)
            act()
            terminal.flush()
            return os.read(leader, 1 << 16).decode()
    finally:
        monkeypatch.undo()
        os.close(leader)


def test_the_name_of_a_submitter_orders_nothing(
    engine: Engine, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.enqueue(engine, records[:3])
    with engine.begin() as connection:
        connection.execute(text("UPDATE job SET submitter = :name"), {"name": HOSTILE})
    rows = jobs.list_jobs(engine)
    written = shown_on_a_terminal(monkeypatch, lambda: show_jobs(rows))
    assert SHOWN in written
    assert "\x1b" not in OURS.sub("", written)


def test_the_name_of_a_host_orders_nothing(
    engine: Engine, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    current = jobs.status(engine, jobs.enqueue(engine, records[:3]).job_id)
    hosts = [FailingHost(host=HOSTILE, failed=1, put_off=2, pace=0.5)]
    written = shown_on_a_terminal(monkeypatch, lambda: show_status(current, hosts))
    assert f"{SHOWN}: 1 failed" in written
    assert not {"\x9b", "\u202e"} & set(written)
    assert "\x1b" not in OURS.sub("", written)
