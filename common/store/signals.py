"""What programs signal to one another through Postgres, beside rows: locks by number, and wake-ups.

A transaction that has a lock makes others wait until it ends. Programs of two releases may run on
one database, so a number is never given to something else.

Each transaction that makes work claimable wakes idle workers. A lost wake-up costs seconds: an idle
worker asks the ledger every few seconds by itself.
"""

from enum import IntEnum, unique

from sqlalchemy import Connection, text

CHANNEL = "enrichment_work"

_WAKE = text(f"NOTIFY {CHANNEL}")


def wake_workers(connection: Connection) -> None:
    connection.execute(_WAKE)


@unique
class AdvisoryLock(IntEnum):
    MIGRATIONS = 7_224_109_663  # one migrates at a time
    MODELS = 7_300_001  # one changes the models in service at a time
    HOST_SHARES = 7_310_426  # processes renew their shares of image hosts one after the other
    DECISIONS = 7_310_428  # shared by those who write enrichments, alone for one who decides
    ACCOUNTS = 7_310_429  # one account is added at a time
    LOGIN_ATTEMPTS = 7_310_430  # one login is counted at a time
    REFITS = 7_310_431  # one asks for a refit at a time
    PLANS = 7_310_432  # one plans what to publish at a time
    VERDICTS = 7_300_011  # one tab of a reviewer writes at a time; a second number is the reviewer

    @property
    def take(self) -> str:
        """SQL that waits for the lock, and has it until the transaction ends."""
        return f"SELECT pg_advisory_xact_lock({self.value})"

    def take_for(self, number: str) -> str:
        """SQL as `take`, of one lock for each number; `number` is SQL."""
        return f"SELECT pg_advisory_xact_lock({self.value}, {number})"

    @property
    def share(self) -> str:
        """SQL that waits while another has the lock alone, and lets others share it."""
        return f"SELECT pg_advisory_xact_lock_shared({self.value})"
