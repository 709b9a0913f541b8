"""Log lines: JSON with their context where nobody watches, and never a secret."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog
from hypothesis import assume, example, given
from hypothesis import strategies as st

from common.process import log as module
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


def test_a_flood_of_warnings_is_left_out_and_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with json_lines():
        log, library = structlog.get_logger(), logging.getLogger("kombu")
        for number in range(250):
            log.error("message refused", number=number)
            library.warning("no message %s", number)
            log.info("chunk done", number=number)
        log.error("something else")
        monkeypatch.setattr(module, "MINUTE", 0.0)
        log.error("message refused", number=250)
    told = lines(capsys)
    refused = [each for each in told if each["event"] == "message refused"]
    assert [each["number"] for each in refused] == [*range(100), 250]
    assert [each.get("left_out") for each in refused[-3:]] == [
        None,
        "more lines like this one, for a minute",
        "150 lines like this one",
    ]
    from_library = [each["event"] for each in told if each["event"].startswith("no message")]
    assert len(from_library) == 100
    assert from_library[-1] == "no message 99 (left out: more lines like this one, for a minute)"
    assert sum(each["event"] == "chunk done" for each in told) == 250
    assert sum(each["event"] == "something else" for each in told) == 1


def test_a_flood_of_ever_new_warnings_is_left_out_too(capsys: pytest.CaptureFixture[str]) -> None:
    with json_lines():
        for number in range(3000):
            logging.getLogger("library").warning(f"number {number}")
    assert len(lines(capsys)) == 1000 + 100


def test_a_flood_hides_no_other_job_and_no_other_problem(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(job: str, error: Exception) -> None:
        try:
            raise error
        except type(error):
            log.exception("chunk failed", job=job, chunk=1)

    with json_lines():
        log = structlog.get_logger()
        for number in range(150):
            log.error("message refused", problem="no JSON")
            fail("7", ValueError(number))
        fail("8", ValueError("a number"))
        fail("7", KeyError("a name"))
        log.error("message refused", problem="no task")
    told = lines(capsys)
    failed = [each for each in told if each["event"] == "chunk failed"]
    assert len(failed) == 102
    assert [each["job"] for each in failed[-2:]] == ["8", "7"]
    assert "KeyError" in failed[-1]["exception"]
    assert told[-1]["problem"] == "no task"


def test_ever_new_problems_are_a_flood_too(capsys: pytest.CaptureFixture[str]) -> None:
    with json_lines():
        for number in range(1000):
            structlog.get_logger().error("message refused", problem=str(number))
    assert len(lines(capsys)) == 100


def test_ever_new_warnings_of_a_library_hide_nothing_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with json_lines():
        for number in range(3000):
            logging.getLogger("library").warning(f"number {number}")
        structlog.get_logger().error("chunk failed")
    assert lines(capsys)[-1]["event"] == "chunk failed"


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
        ('amqp://u:it\'s <"it">@broker//', "amqp://broker//"),
        ("amqp://u:two words@broker// refused", "amqp://broker// refused"),
        ("from http://u:p w@h/a to http://v:q w@i/b", "from http://h/a to http://i/b"),
        ("['http://u:p w@h/a','http://v:q@i/b']", "['http://h/a','http://i/b']"),
        ("http://h:80/a, says me@h", "http://h:80/a, says me@h"),
        ("http://h/a, says me@h", "http://h/a, says me@h"),
        ("12:30://", "12:30://"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_urls_lose_what_may_be_secret(text: str, clean: str) -> None:
    assert without_secrets(text) == clean


@given(
    user=st.text(st.characters(exclude_characters=":/?#@", exclude_categories=["Z", "C"])),
    password=st.text(st.characters(exclude_categories=["C"]), min_size=1),
)
@example(user="", password="a@b c")
@example(user="u", password="p/w ?#'\"<>@")
def test_no_password_is_left_of_a_url(user: str, password: str) -> None:
    assume(not re.match(r"[0-9]{1,5}(\s|$)", password))  # that is a port
    assume("://" not in password)
    assert without_secrets(f"tried redis://{user}:{password}@broker/0 in vain") == (
        "tried redis://broker/0 in vain"
    )


@pytest.mark.parametrize(
    "in_field",
    [str.encode, lambda url: [url], lambda url: {url}, lambda url: {url: [(url,)]}],
    ids=["bytes", "list", "set", "dict"],
)
def test_fields_of_any_type_hold_no_secret(
    in_field: Callable[[str], object], capsys: pytest.CaptureFixture[str]
) -> None:
    field = in_field("redis://:pa55word@broker/0")
    with json_lines():
        structlog.get_logger().warning("told", field=field, fields=[field], count=3)
    (line,) = lines(capsys)
    assert "pa55word" not in json.dumps(line)
    assert "redis://broker/0" in json.dumps(line)
    assert line["count"] == 3


def test_a_list_in_itself_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    endless: list[object] = ["redis://:pa55word@broker/0"]
    endless.append(endless)
    with json_lines():
        structlog.get_logger().warning("told", value=endless)
    assert "pa55word" not in capsys.readouterr().err


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "part", ["a.", "a://", "a:// a:b ", "http://a:b ", "x://a:b'", "x://a:b|", "@", "http://@"]
)
def test_a_long_line_takes_no_time(part: str) -> None:
    without_secrets(part * 20_000)


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
