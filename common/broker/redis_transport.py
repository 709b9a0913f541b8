"""Kombu's transport for Redis, for lists and channels that strangers write to.

Each message is checked and written anew before kombu sees it. What all hear is never acknowledged,
and heard whatever else a process has in work. Values of other types than ours are removed.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import Any
from uuid import uuid4

import structlog
from kombu.transport import redis as redis_transport
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str
from redis.exceptions import NoPermissionError, ResponseError

from common.broker.envelopes import MAX_LISTED, MAX_PUBLISHED, rewritten, rewritten_in_work
from common.messages import UNREADABLE, MalformedMessageError, refused

MOST_HEARD = 100  # messages in a row
DEAF = 1.0  # seconds
_ENDLESS = -1  # seconds that Redis tells of a key that stays
_NEVER_ACKNOWLEDGED = ""  # the tag of what was published: Redis does not keep it

log = structlog.get_logger()


class _CheckedQoS(redis_transport.QoS):
    """Messages in work, which kombu keeps in Redis, where strangers write as well."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """See kombu. A message was taken from its list before; if Redis does not keep it, since it
        is full, it is worked on all the same."""
        try:
            super().append(message, delivery_tag)
        except ResponseError as error:
            log.warning("the broker does not keep a message in work", problem=type(error).__name__)
            virtual.QoS.append(self, message, delivery_tag)

    def restore_visible(self, *arguments: Any, **named: Any) -> None:
        """See kombu, which lets go of its lock in time. One without an end is a stranger's, and
        would keep back for ever what a dead process had in work."""
        channel: Any = self.channel
        with suppress(NoPermissionError), channel.conn_or_acquire() as client:
            if client.ttl(self.unacked_mutex_key) == _ENDLESS:
                log.error("removed what was in the way", key=self.unacked_mutex_key)
                client.delete(self.unacked_mutex_key)
        super().restore_visible(*arguments, **named)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """See kombu. What cannot be read would be in the way of the others for ever."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except MalformedMessageError as error:
            refused(error, b"", queue=None, headers=None)
            self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # a stub
        except ResponseError as error:  # where its list is none, it is removed already
            log.warning("the broker does not put a message back", problem=type(error).__name__)


def _check_in_work(item: bytes | None, **_: Any) -> bytes | None:
    return None if item is None else rewritten_in_work(item, tag=_NEVER_ACKNOWLEDGED)


class _CheckedChannel(redis_transport.Channel):
    """Puts aside what is no message of our form."""

    QoS = _CheckedQoS
    _popped: Sequence[bytes] | None = None  # the list, and what came from it
    deaf_until = 0.0  # of what all hear; seconds of the monotonic clock

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._make_room(hash=[self.unacked_key], zset=[self.unacked_index_key])

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[misc]  # a stub
        client.set_response_callback("BRPOP", self._check_popped)
        client.set_response_callback("HGET", _check_in_work)
        return client

    def _new_queue(self, queue: str, **named: Any) -> None:
        """See kombu."""
        super()._new_queue(queue, **named)
        lists = [self._q_for_pri(queue, step) for step in self.priority_steps]  # type: ignore[attr-defined]
        self._make_room(list=lists)

    def _queue_bind(self, exchange: str, *arguments: Any) -> None:
        """See kombu."""
        tables = (self.keyprefix_queue, self.keyprefix_binding_permanent)  # type: ignore[attr-defined]
        self._make_room(set=[table % (exchange,) for table in tables])
        super()._queue_bind(exchange, *arguments)  # type: ignore[misc]  # a stub

    def _make_room(self, **keys: Iterable[str]) -> None:
        """Remove what a stranger put where a value of this type belongs: no command of ours would
        work there. Who may not look works with what is there."""
        with suppress(NoPermissionError), self.conn_or_acquire() as client:
            for kind, names in keys.items():
                for name in names:
                    found = client.type(name).decode()
                    if found not in (kind, "none"):
                        log.error("removed what was in the way", key=name, type=found)
                        client.delete(name)

    def close(self) -> None:
        """See kombu. Where the connection was lost, it reads no more; asked again, it puts back
        what is in work. Celery asks again only once this is impossible, and would end."""
        try:
            super().close()
        except self.connection_errors:  # type: ignore[attr-defined]  # a stub
            super().close()

    def _check_popped(self, popped: Sequence[bytes] | None, **_: Any) -> Sequence[bytes] | None:
        self._popped = popped
        if popped is None:
            return None
        queue, item = popped
        try:
            return queue, rewritten(item, tag=str(uuid4()), longest=MAX_LISTED)
        except MalformedMessageError as error:
            self._refuse_popped(error)
            return None

    def _refuse_popped(self, problem: Exception) -> None:
        queue, item = self._popped or (b"", b"")
        refused(problem, item, queue=queue.decode(errors="replace"), headers=None)

    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]  # a stub
        except UNREADABLE as error:
            self._refuse_popped(error)
            return True
        finally:
            self._popped = None

    def _handle_message(self, client: Any, response: Sequence[Any]) -> dict[str, Any]:
        """See kombu; of what all hear. It is not kept, so only its kind is told."""
        told: dict[str, Any] = super()._handle_message(client, response)  # type: ignore[misc]
        if bytes_to_str(told["type"]).endswith("message"):
            try:
                told["data"] = rewritten(
                    told["data"], tag=_NEVER_ACKNOWLEDGED, longest=MAX_PUBLISHED
                )
            except MalformedMessageError as error:
                refused(error, b"", queue=None, headers=None)
                told["data"] = b""  # which kombu leaves out
        return told

    def _receive(self) -> bool:
        """See kombu, which would read as long as there is something to read. In an endless stream
        it would do nothing else, and redis-py would keep all of it. So who hears as much listens
        no more for a moment; a wake-up that is lost costs some seconds."""
        for _ in range(MOST_HEARD):
            with suppress(Empty):
                self._receive_one(self.subclient)
            connection = self.subclient.connection
            if connection is None or not connection.can_read(timeout=0):
                return True
        log.warning("too many messages are published: not heard for a moment", seconds=DEAF)
        self.deaf_until = monotonic() + DEAF
        connection.disconnect()
        return True

    def _receive_one(self, client: Any) -> bool:
        try:
            return bool(super()._receive_one(client))  # type: ignore[misc]  # a stub
        except UNREADABLE as error:
            refused(error, b"", queue=None, headers=None)
            return True

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """See kombu."""
        if delivery_tag != _NEVER_ACKNOWLEDGED:
            super().basic_ack(delivery_tag, multiple)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """See kombu."""
        if delivery_tag != _NEVER_ACKNOWLEDGED:
            super().basic_reject(delivery_tag, requeue)


class _Poller(redis_transport.MultiChannelPoller):
    """Reads what all hear at any time."""

    def _register_LISTEN(self, channel: _CheckedChannel) -> None:  # noqa: N802 - kombu's name
        """See kombu."""
        if monotonic() > channel.deaf_until:
            super()._register_LISTEN(channel)  # type: ignore[misc]  # a stub

    def on_readable(self, fileno: int) -> None:
        """See kombu, which leaves it unread while as many messages are in work as may be. Then
        nobody hears a wake-up, and a loop runs busily, since there is always something to read."""
        known: dict[int, tuple[Any, str]] = self._fd_to_chan  # type: ignore[attr-defined]  # a stub
        channel, kind = known.get(fileno, (None, ""))
        if kind == "LISTEN":
            channel.handlers[kind]()
        else:
            super().on_readable(fileno)


class CheckedRedisTransport(redis_transport.Transport):
    """Kombu's transport, with the channels and the poller above."""

    Channel = _CheckedChannel

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.cycle = _Poller()

    def _deliver(self, message: Any, queue: str | None) -> None:
        """See kombu. A message belongs to the queue that it came from, whatever it says: another
        try of its task goes there, and so does the message if this process ends before it."""
        message["properties"]["delivery_info"] = {"exchange": "", "routing_key": queue}
        super()._deliver(message, queue)
