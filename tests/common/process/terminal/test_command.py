from typing import Annotated, Literal

import pytest
import typer
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from common.errors import EnrichmentError, RecordError, UsageError
from common.process.terminal.command import INTERRUPTED, command_group
from tests.common.process.test_database_trouble import refusal


def outcome_of(action, *arguments):
    app = command_group("Does one thing.")

    @app.command()
    def act() -> None:
        """Act."""
        action()

    @app.command()
    def rest() -> None:
        """Rest."""

    return CliRunner().invoke(app, list(arguments or ["act"]))


def raising(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (EnrichmentError("It broke."), 1, "error: It broke.\n"),
        (UsageError("You mistyped."), 2, "error: You mistyped.\n"),
        (RecordError("fetch", "dns", "no such host"), 1, "error: dns: no such host\n"),
        (KeyboardInterrupt(), INTERRUPTED, "error: Interrupted. "),
    ],
    ids=lambda part: type(part).__name__ if isinstance(part, BaseException) else "",
)
def test_errors_are_messages_with_their_exit_code(error, exit_code, message):
    result = outcome_of(raising(error))
    assert result.exit_code == exit_code
    assert result.stderr.startswith(message)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1


def test_what_postgres_refuses_is_told_without_the_statement(database_url):
    def action():
        engine = create_engine(database_url)
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT :secret FROM nowhere"), {"secret": "hunter2"})
        finally:
            engine.dispose()

    result = outcome_of(action)
    assert result.exit_code == 1
    assert 'relation "nowhere" does not exist' in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_lock_that_another_process_holds_is_told_in_a_sentence(database_url):
    error = refusal(database_url.replace("+psycopg2", ""), "lock_timeout")
    result = outcome_of(raising(error))
    assert result.exit_code == 1
    assert result.stderr == (
        "error: Another process holds a lock in the database for too long. The process may "
        "be a migration, an export or a stopped process. When this process has ended, run the "
        "same command again.\n"
    )


def test_a_defect_of_ours_is_not_passed_off_as_the_users():
    result = outcome_of(raising(ZeroDivisionError("ours")))
    assert isinstance(result.exception, ZeroDivisionError)


def test_success_is_silent():
    result = outcome_of(lambda: None)
    assert (result.exit_code, result.output) == (0, "")


def test_exit_codes_chosen_by_a_command_stay():
    assert outcome_of(raising(typer.Exit(7))).exit_code == 7


@pytest.mark.parametrize("arguments", [["sleep"], ["act", "--fast"], ["act", "now"]])
def test_wrong_usage_is_2(arguments):
    assert outcome_of(lambda: None, *arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["act", "-h"]])
def test_help_is_at_hand(arguments):
    result = outcome_of(lambda: None, *arguments)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_last_words_order_nothing_on_a_terminal():
    result = outcome_of(raising(UsageError("No museum \x1b]0;owned\x07\x1b[2J.")))
    assert "\x1b" not in result.stderr
    assert r"No museum \x1b]0;owned\x07\x1b[2J." in result.stderr


def test_a_choice_that_is_none_is_told_with_the_choices() -> None:
    app = command_group("Does one thing.")

    @app.command()
    def act(speed: Annotated[Literal["fast", "slow"], typer.Option()] = "fast") -> None:
        """Act."""

    @app.command()
    def rest() -> None:
        """Rest."""

    ended = CliRunner().invoke(app, ["act", "--speed", "soon"])
    assert ended.exit_code == 2
    assert ended.stderr.startswith("error: --speed is soon: it must be one of fast, slow.\nHelp: ")
