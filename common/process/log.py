"""The log of every process, on standard error: for people on a terminal, else JSON lines."""

import logging
import re
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from common.process.foreign_text import visible

_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s\"'<>]+)", re.IGNORECASE)
_OF_LINES = ("exception", "stack")  # fields of the log


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
