import os
import re
import time
from contextlib import suppress

import pytest
from rich.console import Console

from common.process.terminal import progress as module
from common.process.terminal.progress import progress


@pytest.fixture
def plain(capsys):
    """What stands on standard error, which is no terminal."""
    return lambda: capsys.readouterr().err


def test_without_a_terminal_there_is_one_line_at_the_end(plain):
    with progress("images", total=4) as report:
        for _ in range(3):
            report.advance()
        report.advance(note="3 stored")
    assert re.fullmatch(r"images: 4/4 \(100%\), [\d,.]+/s, 3 stored\n", plain())


def test_without_a_terminal_lines_come_now_and_then(plain, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.05)
    began = time.monotonic()
    with progress("images", total=200) as report:
        for _ in range(20):
            report.advance(10)
            time.sleep(0.01)
    lines = plain().splitlines()
    assert 3 <= len(lines) <= (time.monotonic() - began) / 0.05 + 1
    assert " left" in lines[0]
    assert "200/200" in lines[-1]


def test_the_last_line_is_written_when_the_work_fails(plain):
    def work():
        with progress("images", total=9) as report:
            report.advance(2)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert "images: 2/9 (22%)" in plain()


@pytest.mark.parametrize(("total", "start"), [(None, "pages: 7, "), (0, "pages: 7, ")])
def test_an_unknown_total_is_not_made_up(plain, total, start):
    with progress("pages", total=total) as report:
        report.advance(7)
    line = plain()
    assert line.startswith(start)
    assert "left" not in line


def test_brackets_in_a_note_are_text(plain):
    with progress("images") as report:
        report.advance(note="[red]/1/a[/red]")
    assert "[red]/1/a[/red]" in plain()


def test_a_terminal_gets_a_bar_with_rate_and_note():
    controller, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr", stderr)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "120")
        assert Console(stderr=True).is_terminal
        with progress("images", total=4000) as report:
            report.advance(2000, note="2 stored")  # so many that it is no rate a minute
    shown = _read_to_the_end(controller)
    assert "images" in shown
    assert "2000/4000" in shown
    assert "/s" in shown
    assert "2 stored" in shown


def _read_to_the_end(controller):
    parts = []
    with os.fdopen(controller, "rb", buffering=0) as screen, suppress(OSError):  # EIO is its end
        while part := screen.read(4096):
            parts.append(part)
    return b"".join(parts).decode()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min")],
)
def test_durations_in_words(seconds, words):
    assert module._duration(seconds) == words


def test_what_is_not_there_is_not_waited_for(plain):
    with progress("records", total=10) as report:
        report.advance(4)
        report.expect_less(6)
    assert plain().startswith("records: 4/4 (100%), ")


def test_where_nothing_is_to_do_it_says_so(plain):
    with progress("records", total=0):
        pass
    assert plain() == "records: nothing to do\n"
