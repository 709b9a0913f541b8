"""Limits of image hosts that all processes share: each process holds a share, a row of the store.

What is said of hosts here holds for the addresses that are connected to as well.

A host's requests at a time are divided into slots. Each process that asks the host gets some of
the slots, and the same part of the host's rate. Where there are fewer slots than processes, they
take turns. One statement every few seconds renews all shares of a process. Two rules keep the sum
of a host's slots within its limit at every moment: a process gets only slots that no other process
holds, and it gives a slot up only after the request in it has ended.

A complaint to one process slows all processes that ask the same host. A process that cannot reach
the store keeps the shares that it has. The shares of a killed process run out.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Self
from uuid import uuid4

from sqlalchemy import Engine, text

from common.fetch.addresses import IPAddress
from common.fetch.host_limits import BUSY_SECONDS, HostLimits, LocalHostLimiter
from common.process.periodic import AWAY, PeriodicThread
from common.process.settings import ImageSettings
from common.reasons import HostSignal
from common.store.signals import AdvisoryLock

RENEWAL_SECONDS = 2.0
SHARE_SECONDS = 15.0  # that a share lasts: the slots of a killed process are missing for so long
TURN_SECONDS = 10.0  # that a process keeps a slot where there are fewer slots than processes
INTEREST_SECONDS = 10.0  # without a request, after which the slots of a host are given back
GATHERING_SECONDS = 0.05  # new hosts come together: one statement is to serve them all

_LOCK = text(AdvisoryLock.HOST_SHARES.take)

_LEAVE = text("""
    DELETE FROM host_lease
    WHERE lease_until < now() OR process = :process AND host <> ALL(:hosts)
""")

# `held`: the slots that the process still uses or may use; `before`: its place among all processes.
_RENEW = text("""
    WITH turn AS (
        SELECT floor(extract(epoch FROM now()) / :turn_seconds)::bigint AS number
    ), asked AS (
        SELECT * FROM unnest(CAST(:hosts AS text[]), CAST(:limits AS int[]), CAST(:held AS int[]),
                             CAST(:paces AS float[]), CAST(:pauses AS float[]))
            AS asked (host, most, held, pace, pause)
    ), others AS (
        SELECT asked.host, count(share.process) + 1 AS processes,
               coalesce(sum(share.slots), 0) AS slots,
               count(*) FILTER (WHERE share.process < :process) AS before,
               coalesce(min(share.pace), 1) AS pace,
               coalesce(max(share.paused_until), now()) AS paused_until
        FROM asked LEFT JOIN host_lease AS share
            ON share.host = asked.host AND share.process <> :process
        GROUP BY asked.host
    ), given AS (
        SELECT host, greatest(0, least(most - slots, most / processes + CASE
                   WHEN (before + turn.number) % processes < most % processes THEN 1 ELSE 0 END
               ))::int AS slots
        FROM asked JOIN others USING (host) CROSS JOIN turn
    ), renewed AS (
        INSERT INTO host_lease (host, process, slots, pace, paused_until, lease_until)
        SELECT host, :process, greatest(given.slots, held), asked.pace,
               now() + make_interval(secs => pause), now() + make_interval(secs => :seconds)
        FROM asked JOIN given USING (host)
        ON CONFLICT (host, process) DO UPDATE
        SET slots = excluded.slots, pace = excluded.pace, paused_until = excluded.paused_until,
            lease_until = excluded.lease_until
    )
    SELECT host, given.slots, others.pace,
           greatest(0, extract(epoch FROM paused_until - now()))::float AS pause
    FROM given JOIN others USING (host)
""")


class SharedHostLimiter(PeriodicThread):
    def __init__(self, engine: Engine, local: LocalHostLimiter) -> None:
        super().__init__("host-shares", interval=RENEWAL_SECONDS)
        self._engine = engine
        self._local = local
        self._process = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._asked_at: dict[str, float] = {}
        self._shares: dict[str, HostLimits] = {}
        self._lock = threading.Lock()  # nothing starts in a slot that is being given back
        self.start()

    @classmethod
    def from_settings(cls, settings: ImageSettings, engine: Engine) -> Self:
        return cls(engine, LocalHostLimiter.from_settings(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.stop()
        with suppress(*AWAY), self._engine.begin() as connection:  # else the shares run out
            connection.execute(_LOCK)
            connection.execute(_LEAVE, {"process": self._process, "hosts": []})

    def try_start(self, host: str, address: IPAddress | None = None) -> float:
        keys = self._local.keys(host, address)
        with self._lock:
            self._asked_at.update(dict.fromkeys(keys, time.monotonic()))
            if self._shares.keys() >= set(keys):
                return self._local.try_start(host, address, shares=self._shares)
        self.wake()
        return BUSY_SECONDS

    def finish(
        self,
        host: str,
        signal: HostSignal,
        retry_after: float | None = None,
        *,
        address: IPAddress | None = None,
    ) -> None:
        self._local.finish(host, signal, retry_after, address=address)

    def run_once(self) -> None:
        self.stopping.wait(GATHERING_SECONDS)
        try:
            self._renew()
        except AWAY:
            self._take_one_slot_of_new_hosts()
            raise

    def _renew(self) -> None:
        hosts = self._hosts_in_use()
        parameters = self._asked(hosts)
        with self._engine.begin() as connection:
            connection.execute(_LOCK)
            connection.execute(_LEAVE, {"process": self._process, "hosts": hosts})
            rows = connection.execute(_RENEW, parameters).all() if hosts else []
        shares = {}
        for host, slots, pace, pause in rows:
            shares[host] = self._local.limits_of(host).shared(slots, fastest=pace)
            if pause > 0:
                self._local.pause(host, pause)
        with self._lock:
            self._shares = shares

    def _hosts_in_use(self) -> list[str]:
        """The hosts that were asked lately or have not answered; forgets all others."""
        since = time.monotonic() - INTEREST_SECONDS
        with self._lock:
            for host, asked_at in list(self._asked_at.items()):
                if asked_at < since and not self._local.standing(host).running:
                    del self._asked_at[host]
                    self._shares.pop(host, None)
            return list(self._asked_at)

    def _asked(self, hosts: list[str]) -> dict[str, Any]:
        standings = [self._local.standing(host) for host in hosts]
        held = [
            max(standing.running, self._shares[host].max_concurrent if host in self._shares else 0)
            for host, standing in zip(hosts, standings, strict=True)
        ]
        return {
            "process": self._process,
            "seconds": SHARE_SECONDS,
            "turn_seconds": TURN_SECONDS,
            "hosts": hosts,
            "limits": [self._local.limits_of(host).max_concurrent for host in hosts],
            "held": held,
            "paces": [standing.pace for standing in standings],
            "pauses": [standing.pause_seconds for standing in standings],
        }

    def _take_one_slot_of_new_hosts(self) -> None:
        """Which other processes ask these hosts is unknown."""
        with self._lock:
            for host in self._asked_at.keys() - self._shares.keys():
                self._shares[host] = self._local.limits_of(host).shared(1, fastest=1.0)
