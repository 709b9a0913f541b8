"""`desk users` as it is typed."""

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from common.errors import LoginRefusedError
from desk.access.login import log_in
from desk.cli import main

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct horse battery"
PATIENCE = 120.0  # seconds


class Typed:
    """Runs a command with standard input and keeps what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str, stdin: bytes = b"") -> int:
        self._monkeypatch.setattr("sys.argv", ["desk", "users", *arguments])
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        self.out, self.err = told.out, re.sub(r"\s+", " ", told.err)
        assert PASSWORD not in self.out + self.err
        return int(ended.value.code or 0)

    def add(self, name: str, *more: str) -> int:
        options = ("--role", "reviewer", "--password-stdin", *more)
        return self("add", name, *options, stdin=f"{PASSWORD}\r\nnot this line\n".encode())


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capsys)


def enters(engine: Engine, name: str, password: str) -> bool:
    try:
        log_in(engine, name=name, password=password, address="192.0.2.1", browser=None)
    except LoginRefusedError:
        return False
    return True


def test_an_account_from_its_first_day_to_its_last(engine: Engine, users: Typed) -> None:
    assert users.add("Anna") == 0
    assert "Added account" in users.err
    assert enters(engine, "anna", PASSWORD)
    assert users("role", "anna", "operator") == 0
    assert users("password", "anna", "--password-stdin", stdin=b"another good one\n") == 0
    assert not enters(engine, "anna", PASSWORD)
    assert enters(engine, "anna", "another good one")
    assert users("end", "anna") == 0
    assert not enters(engine, "anna", "another good one")
    assert users("list", "--json") == 0
    (row,) = json.loads(users.out)
    assert (row["name"], row["role"], row["has_password"]) == ("Anna", "operator", True)
    assert row["ended_at"]
    assert "argon2" not in users.out
    assert users("forget", "anna", "--yes") == 0
    assert f"number of the account is left: {row['number']}" in users.err
    users("list", "--json")
    assert json.loads(users.out)[0]["name"] is None


def test_the_list_is_for_people_too(engine: Engine, users: Typed) -> None:
    users.add("Анна")
    users("add", "Boris", "--role", "viewer", "--subject", "s-1")
    users.add("Clara")
    users("forget", "Clara", "--yes")
    assert users("list") == 0
    assert [line.split()[1] for line in users.out.splitlines()] == [
        "name",
        "Анна",
        "Boris",
        "(forgotten)",
    ]
    assert "subject s-1" in users.out


def test_somebody_of_the_provider_needs_no_password_and_may_have_one(
    engine: Engine, users: Typed
) -> None:
    assert users("add", "Boris", "--role", "viewer", "--subject", "s-1") == 0
    assert users.add("Clara", "--subject", "s-2") == 0
    assert enters(engine, "Clara", PASSWORD)
    assert not enters(engine, "Boris", "")


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("add", "Anna", "--role", "viewer"), b"", "Use --password-stdin"),
        (("add", "Anna", "--role", "viewer", "--password-stdin"), b"", "has 12 to 200"),
        (("add", "Anna", "--role", "viewer", "--password-stdin"), b"short\n", "has 12 to 200"),
        (("add", "Anna", "--role", "viewer", "--password-stdin"), b"\xff" * 20, "not in UTF-8"),
        (("add", "Anna", "--role", "viewer", "--password-stdin"), b"x" * 9_999, "12 to 200"),
        (("add", "a\x1b[2J", "--role", "viewer"), b"", "cannot be a name"),
        (("add", "(local)", "--role", "viewer"), b"", "cannot be a name"),
        (("add", "Anna", "--role", "king", "--password-stdin"), b"", "king"),
        (("add", "Anna", "--role", "viewer", "--password", "secret"), b"", "No such option"),
        (("role", "nobody", "viewer"), b"", "There is no account 'nobody'"),
        (("end", "(local)"), b"", "There is no account '(local)'"),
        (("forget", "nobody", "--yes"), b"", "See: desk users list"),
        (("forget", "nobody"), b"", "There is no account 'nobody'"),
        (("password", "nobody"), b"", "There is no account 'nobody'"),
        (("password", "nobody", "--password-stdin"), b"another good one", "no account 'nobody'"),
    ],
)
def test_wrong_usage_ends_in_words(
    database_url: str, users: Typed, arguments: tuple[str, ...], stdin: bytes, words: str
) -> None:
    assert users(*arguments, stdin=stdin) == 2
    assert words in users.err
    assert "\x1b" not in users.err
    users("list", "--json")
    assert json.loads(users.out) == []


def test_what_is_asked_comes_after_what_is_wrong_with_the_name(
    database_url: str, users: Typed
) -> None:
    assert users.add("Anna") == 0
    assert users("add", "ANNA", "--role", "viewer") == 2
    assert "The account 'Anna' exists already" in users.err
    assert users("forget", "Anna") == 2
    assert "confirm with --yes" in users.err


def read_until(terminal: int, words: bytes, shown: bytes) -> bytes:
    """What the terminal shows, until these words are among it."""
    deadline = time.monotonic() + PATIENCE
    while words not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, shown
        shown += os.read(terminal, 1000)
    return shown


def wait_for_silence(terminal: int) -> None:
    """Wait until what is typed is not shown; what was typed before is thrown away."""
    deadline = time.monotonic() + PATIENCE
    while termios.tcgetattr(terminal)[3] & termios.ECHO:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_terminal_asks_twice_and_shows_nothing(engine: Engine) -> None:
    ours, theirs = pty.openpty()
    program = "import sys; from desk.cli import main; sys.argv = ['desk', *sys.argv[1:]]; main()"
    command = [sys.executable, "-c", program, "users", "add", "Anna", "--role", "viewer"]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, start_new_session=True, cwd=ROOT, **streams) as process:
        try:
            os.close(theirs)
            shown = b""
            for prompt in (b"Password", b"The same password again"):
                shown = read_until(ours, prompt, shown)
                wait_for_silence(ours)
                os.write(ours, PASSWORD.encode() + b"\n")
            shown = read_until(ours, b"Added account", shown)
        finally:
            process.kill()
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert enters(engine, "Anna", PASSWORD)
