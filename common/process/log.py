"""The log of every process, on standard error: for people on a terminal, else JSON lines."""

import logging
import re
import sys
from collections.abc import Mapping

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from common.process.foreign_text import visible

_SCHEME = r"[a-z][a-z0-9+.-]{0,30}://"
_PORT = r"[0-9]{1,5}(?:[/?#\s]|$)"
_END = rf"[\s\"'(\[<,;]{_SCHEME}"  # where another URL begins
# A password may hold any sign, so that the last @ counts: of the line, where a password begins.
# It has an end, since a line may be long.
_USER = rf"[^\s/?#@:]*:(?!{_PORT})(?:(?!{_END})[^\n]){{0,1000}}@|(?:(?!{_END})\S){{0,1000}}@"
_URL = re.compile(rf"\b({_SCHEME})(?:{_USER})?([^\s\"'<>?#]*)[^\s\"'<>]*", re.IGNORECASE)
_PLAIN = (bool, int, float, type(None))
_DEEPEST = 5  # levels of lists in lists that are looked through
_OF_LINES = ("exception", "stack")  # fields of the log
# A line at each look at a schema, at all fonts, and at each part of a network that is exported.
_TALKATIVE = ("alembic", "matplotlib", "onnxscript", "onnx_ir")
_RECORD = "_record"  # of the standard library, which structlog renders


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
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def without_secrets(text: str) -> str:
    """Remove user, password, query and fragment from every URL in a text: some hold keys."""
    return _URL.sub(r"\1\2", text)


def _hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Remove secrets: errors of libraries quote URLs."""
    for name, value in event.items():
        if name != _RECORD:
            event[name] = _hidden(value)
    return event


def _hidden(value: object, depth: int = 0) -> object:
    """A value as it is logged; what is no text, number or container of them becomes one."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return without_secrets(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {without_secrets(str(key)): _hidden(each, depth + 1) for key, each in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_hidden(each, depth + 1) for each in value]
    return without_secrets(repr(value))


def _show_controls(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write control characters out; a text of several lines stays one line but in a traceback."""
    for name, value in event.items():
        if isinstance(value, str):
            shown = visible(value)
            event[name] = shown if name in _OF_LINES else shown.replace("\n", "\\n")
    return event
