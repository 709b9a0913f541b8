"""How every command begins and ends: its log, and the last words that its user reads.

The log goes to standard error: for people on a terminal, one JSON object a line otherwise.
"""

import logging
import re
import sys
from typing import Any, NoReturn

import structlog
import typer
from sqlalchemy.exc import DBAPIError
from structlog.typing import EventDict, Processor, WrappedLogger
from typer.core import TyperGroup

from common.errors import EnrichmentError
from common.process.database_trouble import last_words
from common.process.foreign_text import visible

_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s\"'<>]+)", re.IGNORECASE)
_OF_LINES = ("exception", "stack")  # fields of the log
INTERRUPTED = 130  # as a shell reports a command that ended by Ctrl-C


def configure_logging(*, json: bool | None = None) -> None:
    """Send structlog and the standard library's logging through one renderer.

    Args:
        json: JSON lines; by default where standard error is no terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _hide_secrets,
    ]
    renderers: list[Processor] = (
        [structlog.processors.JSONRenderer()]  # which writes control characters out
        if as_json
        else [_show_controls, structlog.dev.ConsoleRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.captureWarnings(capture=True)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    logging.getLogger("alembic").setLevel(
        logging.WARNING
    )  # it logs a line at every look at a schema
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def without_secrets(text: str) -> str:
    """Remove user, password, query and fragment from every URL in a text: some hold keys."""
    return _URL.sub(lambda url: url[1] + _place(url[2]), text)


def _place(rest: str) -> str:
    """Host and path of a URL; a password may hold any sign, so that the last @ counts."""
    return re.split(r"[?#]", rest.rpartition("@")[2])[0]


def _hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Remove secrets: errors of libraries quote URLs."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
        elif isinstance(value, BaseException):
            event[name] = without_secrets(repr(value))
    return event


def _show_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write control characters out; a text of several lines stays one line but in a traceback."""
    for name, value in event.items():
        if isinstance(value, str):
            shown = visible(value)
            event[name] = shown if name in _OF_LINES else shown.replace("\n", "\\n")
    return event


class _CommandGroup(TyperGroup):
    """Commands whose expected errors end with a message and no traceback."""

    def invoke(self, ctx: Any) -> Any:
        configure_logging()
        try:
            return super().invoke(ctx)
        except EnrichmentError as error:
            fail(str(error), error.exit_code)
        except DBAPIError as error:
            fail(last_words(error), EnrichmentError.exit_code)
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
    print(f"error: {visible(message)}", file=sys.stderr)  # noqa: T201 - the one place for last words
    raise typer.Exit(exit_code)
