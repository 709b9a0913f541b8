"""Kombu's transport for Redis, for lists and channels that strangers write to.

Each message is checked and written anew before kombu sees it. What all hear is never acknowledged,
and heard whatever else a process has in work.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from kombu.transport import redis as redis_transport
from kombu.utils.encoding import bytes_to_str

from common.broker.envelopes import MAX_LISTED, MAX_PUBLISHED, rewritten
from common.messages import UNREADABLE, MalformedMessageError, refused

_NEVER_ACKNOWLEDGED = ""  # the tag of what was published: Redis does not keep it


class _CheckedQoS(redis_transport.QoS):
    """Messages in work, which kombu keeps in Redis, where strangers write as well."""

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        """See kombu. What cannot be read would be in the way of the others for ever."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE as error:
            refused(error, b"", queue=None, headers=None)
            self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # a stub


class _CheckedChannel(redis_transport.Channel):
    """Puts aside what is no message of our form."""

    QoS = _CheckedQoS
    _popped: Sequence[bytes] | None = None  # the list, and what came from it

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[misc]  # a stub
        client.set_response_callback("BRPOP", self._check_popped)
        return client

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
