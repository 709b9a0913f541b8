"""The commands about jobs on a pseudo-terminal: strangers' names give it no orders."""

import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from common.vision.answers.tally import BINS, Tally
from worker import jobs
from worker.commands.jobs import show_jobs
from worker.commands.watch import show_report
from worker.jobs import FailingHost, ModelDrift, ProviderDrift
from worker.jobs.report import report_job

pytestmark = pytest.mark.usefixtures("model_id")
HOSTILE = "mus\x1b]0;owned\x1b\\eum\x1b[2J\x9b2J\u202e[/]"
SHOWN = r"mus\x1b]0;owned\x1b\eum\x1b[2J\x9b2J\u202e[/]"
OURS = re.compile(r"\x1b\[[0-9;]*m")  # colours


def shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> str:
    """What a terminal gets of it."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "150")
    leader, follower = pty.openpty()
    try:
        with open(follower, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
            monkeypatch.setattr(sys, "stdout", terminal)
            act()
        return b"".join(read_to_end(leader)).decode()
    finally:
        monkeypatch.undo()
        os.close(leader)


def read_to_end(terminal: int) -> Iterator[bytes]:
    with suppress(OSError):  # how a terminal ends that nobody writes to
        while part := os.read(terminal, 1 << 16):
            yield part


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
    report = report_job(engine, jobs.enqueue(engine, records[:3]).job_id)
    hosts = [FailingHost(host=HOSTILE, failed=1, put_off=2, pace=0.5)]
    written = shown_on_a_terminal(
        monkeypatch, lambda: show_report(replace(report, failing_hosts=hosts))
    )
    assert f"{SHOWN}: 1 failed" in written
    assert not {"\x9b", "\u202e"} & set(written)
    assert "\x1b" not in OURS.sub("", written)


def test_the_name_of_a_data_provider_orders_nothing(
    engine: Engine, records: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_job(engine, jobs.enqueue(engine, records[:3]).job_id)
    now = Tally.of_counts((1, 0, 1, *(0,) * BINS))
    of_provider = ProviderDrift(data_provider=HOSTILE, now=now, at_promotion=None)
    drift = ModelDrift(
        model_id=1, model="test v1", at_promotion=None, providers=(of_provider,), is_part=False
    )
    written = shown_on_a_terminal(monkeypatch, lambda: show_report(replace(report, drift=[drift])))
    assert SHOWN in written
    assert not {"\x9b", "\u202e"} & set(written)
    assert "\x1b" not in OURS.sub("", written)
