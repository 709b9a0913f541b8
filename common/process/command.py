"""What the three commands have in common: how they end, and what their user then reads."""

import sys
from typing import Any, NoReturn

import typer
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from common.errors import EnrichmentError, cause
from common.process.logs import configure_logging

INTERRUPTED = 130  # as a shell reports a command that ended by Ctrl-C


class _CommandGroup(TyperGroup):
    """Commands whose errors are messages: never a traceback for what a user can mend."""

    def invoke(self, ctx: Any) -> Any:
        configure_logging()
        try:
            return super().invoke(ctx)
        except EnrichmentError as error:
            fail(str(error), error.exit_code)
        except DBAPIError as error:
            fail(f"Postgres refused or went away: {cause(error)}", EnrichmentError.exit_code)
        except KeyboardInterrupt:
            fail("Interrupted. The same command goes on where it was.", INTERRUPTED)
        except BrokenPipeError:
            fail("Nobody reads the output any more.", EnrichmentError.exit_code)


def command_group(help_text: str) -> typer.Typer:
    """The Typer application of one service."""
    return typer.Typer(
        cls=_CommandGroup,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def fail(message: str, exit_code: int) -> NoReturn:
    """End the command with a message on standard error."""
    print(f"error: {message}", file=sys.stderr)  # noqa: T201 - the one place for last words
    raise typer.Exit(exit_code)
