"""The log of every process, on standard error: for people on a terminal, else JSON lines."""

import logging
import re
import sys
import time
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
_OF_PROBLEMS = ("job", "problem", "error", "reason", "why")  # fields that say which one it is
MOST_ALIKE = 100  # warnings or errors with one message, in a minute
MOST_KINDS = 1000  # of such messages; all further ones of a logger count as alike
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


class _Kind:
    """Lines of one message in a minute: how many there were, and what they were about."""

    def __init__(self) -> None:
        self.count = self.left_out = 0
        self._about: set[int] = set()

    def is_shown(self, about: int) -> bool:
        """Whether one more line is shown; `about` is the hash of what it is about."""
        self.count += 1
        is_new = about not in self._about and len(self._about) < MOST_ALIKE
        if is_new:
            self._about.add(about)
        is_shown = is_new or self.count <= MOST_ALIKE
        self.left_out += not is_shown
        return is_shown


class FloodFilter(logging.Filter):
    """Leaves out warnings and errors that say the same too often, and says so.

    Anybody can cause some of them, as by messages that are refused, as often as they like. The
    first line about another job, or another problem, is shown in a flood too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._began = time.monotonic()
        self._now: dict[tuple[str, str], _Kind] = {}
        self._before: dict[tuple[str, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        fields = record.msg if isinstance(record.msg, dict) else {"event": record.msg}
        with self._lock:
            kind, left_out = self._kind((record.name, str(fields.get("event"))))
            is_shown = kind.is_shown(_about(fields))
            count = kind.count
        if count == 1 and left_out > 0:
            _note(record, f"{left_out:,} lines like this one")
        elif count == MOST_ALIKE:
            _note(record, "more lines like this one, for a minute")
        return is_shown

    def _kind(self, key: tuple[str, str]) -> tuple[_Kind, int]:
        """What came of a kind in this minute, and how many were left out in the one before."""
        if (now := time.monotonic()) - self._began >= MINUTE:
            self._began, self._before, self._now = now, self._now, {}
        if len(self._now) >= MOST_KINDS and key not in self._now:
            key = (key[0], "")  # of this logger alone: others still have something to say
        before = self._before.get(key)
        return self._now.setdefault(key, _Kind()), before.left_out if before else 0


def _about(fields: Mapping[str, object]) -> int:
    """The hash of what tells a problem from others; of an exception its type counts."""
    last_line = str(fields.get("exception", "")).rpartition("\n")[2]
    told = (str(fields.get(name)) for name in _OF_PROBLEMS)
    return hash((last_line.partition(":")[0], *told))


def _note(record: logging.LogRecord, left_out: str) -> None:
    if isinstance(record.msg, dict):
        record.msg = record.msg | {"left_out": left_out}
    else:
        record.msg, record.args = f"{record.getMessage()} (left out: {left_out})", None


def without_secrets(text: str) -> str:
    """Remove user, password, query and fragment from every URL in a text: some hold keys."""
    return _URL.sub(r"\1\2", text)


def _hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
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
