"""Waking idle workers: whoever makes work claimable says so in the same transaction.

Nothing depends on it: an idle worker asks the ledger every few seconds by itself.
"""

from sqlalchemy import Connection, text

CHANNEL = "enrichment_work"

_WAKE = text(f"NOTIFY {CHANNEL}")


def wake_workers(connection: Connection) -> None:
    connection.execute(_WAKE)
