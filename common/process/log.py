"""The log of every process, on standard error: for people on a terminal, else JSON lines."""

import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock

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
MOST_ALIKE = 100  # warnings or errors with one message, in a minute
MOST_KINDS = 1000  # of such messages; all further ones count as alike
MINUTE = 60.0  # seconds


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
    handler.addFilter(FloodFilter())
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


class FloodFilter(logging.Filter):
    """Leaves out warnings and errors that say the same too often, and says so.

    Strangers can cause some of them, as by messages that are refused, as often as they like.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._began = time.monotonic()
        self._now: Counter[tuple[str, str]] = Counter()
        self._before: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.levelno < logging.WARNING:
            return True
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        count, left_out = self._count((record.name, str(event)))
        if count == 1 and left_out > 0:
            _note(record, f"{left_out:,} lines like this one")
        elif count == MOST_ALIKE:
            _note(record, "more lines like this one, for a minute")
        return count <= MOST_ALIKE

    def _count(self, kind: tuple[str, str]) -> tuple[int, int]:
        """How often this came in this minute, and how many were left out in the one before."""
        with self._lock:
            if (now := time.monotonic()) - self._began >= MINUTE:
                self._began, self._before, self._now = now, self._now, Counter()
            if len(self._now) >= MOST_KINDS and kind not in self._now:
                kind = ("", "")
            self._now[kind] += 1
            return self._now[kind], self._before[kind] - MOST_ALIKE


def _note(record: logging.LogRecord, left_out: str) -> None:
    if isinstance(record.msg, dict):
        record.msg = record.msg | {"left_out": left_out}
    else:
        record.msg, record.args = f"{record.getMessage()} (left out: {left_out})", None


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
