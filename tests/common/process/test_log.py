"""Log lines: JSON with their context where nobody watches, and never a secret."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from common.process.log import configure_logging, without_secrets


@contextmanager
def json_lines() -> Iterator[None]:
    """Logs as of a process without a terminal; afterwards all is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(json=True)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_the_context_it_was_written_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with json_lines():
        with structlog.contextvars.bound_contextvars(job="7", chunk=3):
            structlog.get_logger().info("chunk done", classified=256)
            logging.getLogger("kombu").warning("from a library: %s", "told")
        structlog.get_logger().info("outside")
    inside, library, outside = lines(capsys)
    assert (inside["job"], inside["chunk"], inside["classified"]) == ("7", 3, 256)
    assert inside["level"] == "info"
    assert (library["event"], library["job"]) == ("from a library: told", "7")
    assert "job" not in outside


def test_no_line_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "https://curator:pa55word@museum.example/i.jpg?wskey=s3cret#s3cret"
    with json_lines():
        log = structlog.get_logger()
        log.warning(f"cannot fetch {secret}", url=secret, error=ValueError(secret))
        logging.getLogger("urllib3").warning("Retrying %s", secret)
        try:
            raise RuntimeError(secret)
        except RuntimeError:
            log.exception("failed")
    written = capsys.readouterr().err
    assert len(written.splitlines()) == 3
    assert "pa55word" not in written
    assert "s3cret" not in written
    assert written.count("https://museum.example/i.jpg") >= 5


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("redis://:pw@broker:6379/0", "redis://broker:6379/0"),
        ("postgresql+psycopg2://u:p@h/d refused", "postgresql+psycopg2://h/d refused"),
        ("(see https://x.example/a?key=1)", "(see https://x.example/a"),
        ("'http://x.example/?a=b'", "'http://x.example/'"),
        ("redis://:p#w@broker/0", "redis://broker/0"),
        ("amqp://u:p?w@p/w@broker//", "amqp://broker//"),
        ("12:30://", "12:30://"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_urls_lose_what_may_be_secret(text: str, clean: str) -> None:
    assert without_secrets(text) == clean


def test_a_log_on_a_terminal_shows_what_would_order_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hostile = "x\x1b]0;owned\x07\x1b[2J\x9b2J\u202e\n2026-01-01 [info] forged"
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(json=False)
    try:
        structlog.get_logger().warning(hostile, provider=hostile, names=[hostile])
        logging.getLogger("library").warning("said %s", hostile)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
    written = capsys.readouterr().err
    assert written.count("\n") == 2
    assert not any(sign in written for sign in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e"))
    assert r"x\x1b]0;owned\x07\x1b[2J" in written
