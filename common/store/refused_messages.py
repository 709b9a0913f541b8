"""Messages of the broker that were refused, put aside in the store for people who ask what came.

A message that comes again and again is one row with a count. A thread writes every few seconds what
came meanwhile, so that thousands of messages are few transactions. Everything is bounded: messages
that wait to be written, what is kept of each, and the rows. Messages beyond that are only logged
and counted, by whoever refused them.

Nothing of a body is kept but its size and its sha256, by which its sender knows it again: it may
hold passwords, in any form and any encoding. Of the headers those are kept that have a form in
which there is no room for one.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TypeGuard

from sqlalchemy import Engine, text

from common.process.periodic import AWAY, PeriodicThread
from common.store.locks import AdvisoryLock

WAITING = 100  # different messages, from one writing to the next
WRITE_SECONDS = 5.0
KEPT = 1_000  # rows; the oldest go
_NAME = re.compile(r"[A-Za-z]\w{0,39}(\.\w{1,40}){0,3}", re.ASCII)  # of a task or a queue
_HEADERS = {
    "task": _NAME,
    "id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "origin": re.compile(r"gen[0-9]{1,10}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,9}"),
}

_LOCK = text(AdvisoryLock.REFUSED_MESSAGES.take)

_WRITE = text("""
    INSERT INTO refused_message AS known
        (sha256, problem, queue, headers, size, times, first_at, last_at)
    SELECT * FROM unnest(
        CAST(:sha256 AS text[]), CAST(:problem AS text[]), CAST(:queue AS text[]),
        CAST(:headers AS text[]), CAST(:size AS bigint[]), CAST(:times AS bigint[]),
        CAST(:first_at AS timestamptz[]), CAST(:last_at AS timestamptz[])
    )
    ON CONFLICT (sha256, problem) DO UPDATE
    SET queue = excluded.queue, headers = excluded.headers, times = known.times + excluded.times,
        last_at = greatest(known.last_at, excluded.last_at)
""")

_PRUNE = text("""
    DELETE FROM refused_message WHERE (sha256, problem) IN (
        SELECT sha256, problem FROM refused_message
        ORDER BY last_at DESC, sha256, problem OFFSET :kept
    )
""")

_LIST = text("""
    SELECT sha256, problem, queue, headers, size, times, first_at, last_at
    FROM refused_message ORDER BY last_at DESC, sha256, problem
""")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refused message, however often it came; see the table.

    `headers` are those that are kept: `task`, `id` and `origin`, each if it has its usual form.
    """

    sha256: str
    problem: str
    queue: str
    headers: dict[str, str]
    size: int
    times: int
    first_at: datetime
    last_at: datetime

    @property
    def key(self) -> tuple[str, str]:
        """What makes two messages one."""
        return self.sha256, self.problem

    def and_again(self, later: "Refusal") -> "Refusal":
        """The same message, seen by both."""
        return replace(later, times=self.times + later.times, first_at=self.first_at)


class RefusedMessages:
    """Messages of this process that wait to be written; threads share one."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Refusal] = {}
        self._lock = threading.Lock()

    def add(self, body: bytes, *, problem: str, queue: object = "", headers: object = None) -> None:
        """Put a message aside, unless too many others wait.

        Args:
            problem: in our words alone; queue and headers may be anything.
        """
        now = datetime.now(UTC)
        self._add(
            Refusal(
                sha256=hashlib.sha256(body).hexdigest(),
                problem=problem,
                queue=queue if _has_form(queue, _NAME) else "",
                headers=_known(headers),
                size=len(body),
                times=1,
                first_at=now,
                last_at=now,
            )
        )

    def take(self) -> list[Refusal]:
        """All that wait; they wait no more."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        return list(taken.values())

    def give_back(self, refusals: Iterable[Refusal]) -> None:
        """Let what was taken wait again, as far as there is room."""
        for refusal in refusals:
            self._add(refusal)

    def _add(self, refusal: Refusal) -> None:
        with self._lock:
            known = self._waiting.get(refusal.key)
            if known is not None:
                earlier, later = sorted((known, refusal), key=lambda each: each.last_at)
                self._waiting[refusal.key] = earlier.and_again(later)
            elif len(self._waiting) < WAITING:
                self._waiting[refusal.key] = refusal


def _known(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        return {}
    found = {name: headers.get(name) for name in _HEADERS}
    return {name: value for name, value in found.items() if _has_form(value, _HEADERS[name])}


def _has_form(value: object, form: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and form.fullmatch(value) is not None


class RefusedMessageWriter(PeriodicThread):
    """Writes what was put aside; while the database is away, it waits as far as there is room."""

    def __init__(
        self, engine: Engine, messages: RefusedMessages, *, interval: float = WRITE_SECONDS
    ) -> None:
        super().__init__("refused-messages", interval=interval)
        self._engine = engine
        self._messages = messages

    def run_once(self) -> None:
        """Write all that wait in one transaction."""
        refusals = self._messages.take()
        try:
            write_refused(self._engine, refusals)
        except AWAY:
            self._messages.give_back(refusals)
            raise

    def stop(self) -> None:
        """End the thread, and write the last ones."""
        super().stop()
        self._try_once()


def write_refused(engine: Engine, refusals: Iterable[Refusal]) -> None:
    """Write refused messages, each once, and delete the oldest beyond KEPT."""
    rows = [asdict(each) | {"headers": json.dumps(each.headers)} for each in refusals]
    if not rows:
        return
    columns = {field.name: [row[field.name] for row in rows] for field in fields(Refusal)}
    with engine.begin() as connection:
        connection.execute(_LOCK)
        connection.execute(_WRITE, columns)
        connection.execute(_PRUNE, {"kept": KEPT})


def list_refused(engine: Engine) -> list[Refusal]:
    """All refused messages that are kept, the latest first."""
    with engine.connect() as connection:
        rows = connection.execute(_LIST).mappings()
        return [Refusal(**{**row, "headers": json.loads(row["headers"])}) for row in rows]
