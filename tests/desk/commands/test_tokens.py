"""`desk tokens` as it is typed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from common.errors import LoginRefusedError
from desk.access.tokens import caller_of
from desk.cli import main


class Typed:
    """Runs a command and keeps what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr("sys.argv", ["desk", "tokens", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        self.out, self.err = told.out, told.err
        return int(ended.value.code or 0)


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capsys)


def test_a_token_is_printed_once_and_works_until_it_is_revoked(
    engine: Engine, tokens: Typed
) -> None:
    assert tokens("add", "search", "--role", "operator", "--per-minute", "7") == 0
    token = tokens.out.strip()
    assert token not in tokens.err
    assert caller_of(engine, token).role == "operator"
    assert tokens("list", "--json") == 0
    (listed,) = json.loads(tokens.out)
    assert token not in tokens.out
    assert (listed["name"], listed["per_minute"], listed["ended_at"]) == ("search", 7, None)
    assert listed["used_at"] is not None
    assert tokens("list") == 0
    assert "search" in tokens.out
    assert tokens("revoke", "search") == 0
    with pytest.raises(LoginRefusedError):
        caller_of(engine, token)
    assert tokens("revoke", "search") == 2
    assert "desk tokens list" in tokens.err


def test_the_last_day_of_a_token_is_a_whole_day(engine: Engine, tokens: Typed) -> None:
    today = datetime.now(UTC).date()
    assert tokens("add", "today", "--expires", f"{today + timedelta(days=1)}") == 0
    assert caller_of(engine, tokens.out.strip()).role == "viewer"
    assert tokens("add", "yesterday", "--expires", f"{today - timedelta(days=2)}") == 2
    assert "expired already" in tokens.err


def test_wrong_limits_and_days_are_refused(tokens: Typed) -> None:
    assert tokens("add", "search", "--per-minute", "0") == 2
    assert tokens("add", "search", "--expires", "tomorrow") == 2
