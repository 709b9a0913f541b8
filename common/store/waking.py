"""Waking idle workers: each transaction that makes work claimable says so.

A lost wake-up costs seconds: an idle worker asks the ledger every few seconds by itself.
"""

from sqlalchemy import Connection, text

CHANNEL = "enrichment_work"

_WAKE = text(f"NOTIFY {CHANNEL}")


def wake_workers(connection: Connection) -> None:
    connection.execute(_WAKE)
