"""`worker refused`, as it is typed."""

import json
import re
from hashlib import sha256

import pytest
from sqlalchemy import Engine

from common.store.refused_messages import RefusedMessages, write_refused
from worker.cli import main


def worker_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> str:
    monkeypatch.setattr("sys.argv", ["worker", "refused", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in {None, 0}
    return capsys.readouterr().out


@pytest.fixture
def _refused(engine: Engine) -> None:
    messages = RefusedMessages()
    for body in (b"first", *[b"\x1b[2Jsecond" + b"." * 5000] * 3):
        messages.add(body, problem="[red]: bad", queue="enrich.bulk", headers={"task": "no.such"})
    write_refused(engine, messages.take())


@pytest.mark.usefixtures("_refused")
def test_refused_messages_are_listed_the_latest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heading, second, first = worker_refused(monkeypatch, capsys).splitlines()
    assert heading.split() == ["last", "queue", "task", "bytes", "times", "problem"]
    assert re.search(r" enrich\.bulk +no\.such +5,010 +3 +\[red\]: bad *$", second)
    assert re.search(r" enrich\.bulk +no\.such +5 +1 +\[red\]: bad *$", first)


@pytest.mark.usefixtures("_refused")
def test_refused_messages_are_told_whole_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    second, first = json.loads(worker_refused(monkeypatch, capsys, "--json"))
    assert first["sha256"] == sha256(b"first").hexdigest()
    assert (second["times"], second["size"]) == (3, 5010)
    assert second["headers"] == {"task": "no.such"}
    assert first["first_at"] == first["last_at"] < second["last_at"]


@pytest.mark.usefixtures("engine")
def test_where_nothing_was_refused_the_list_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(worker_refused(monkeypatch, capsys, "--json")) == []
