"""`worker refused`, as it is typed."""

import json
import re

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
    for body in (b"first", *[b"\x1b[2Jsecond" + b"." * 500] * 3):
        messages.add(body, problem="[red]: bad", queue="enrich.bulk", headers='{"task": "t"}')
    write_refused(engine, messages.take())


@pytest.mark.usefixtures("_refused")
def test_refused_messages_are_listed_the_latest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heading, second, first = worker_refused(monkeypatch, capsys).splitlines()
    assert heading.split() == ["last", "queue", "body", "times", "problem"]
    assert re.search(r" enrich\.bulk +\\x1b\[2Jsecond\.{27} +3 +\[red\]: bad *$", second)
    assert re.search(r" enrich\.bulk +first +1 +\[red\]: bad *$", first)


@pytest.mark.usefixtures("_refused")
def test_refused_messages_are_told_whole_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    second, first = json.loads(worker_refused(monkeypatch, capsys, "--json"))
    assert first["body"] == "first"
    assert (second["times"], second["size"]) == (3, 510)
    assert second["body"] == r"\x1b[2Jsecond" + "." * 500
    assert second["headers"] == '{"task": "t"}'
    assert first["first_at"] == first["last_at"] < second["last_at"]


@pytest.mark.usefixtures("engine")
def test_where_nothing_was_refused_the_list_is_empty(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(worker_refused(monkeypatch, capsys, "--json")) == []
