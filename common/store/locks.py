"""Locks that Postgres keeps by number, for what no row stands for: all of the product's numbers.

A transaction that has one makes others wait until it ends. Programs of two releases may run on one
database, so a number is never given to something else.
"""

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    MIGRATIONS = 7_224_109_663  # one migrates at a time
    MODELS = 7_300_001  # one changes the models in service at a time
    HOST_SHARES = 7_310_426  # processes renew their shares of image hosts one after the other
    DECISIONS = 7_310_428  # shared by those who write enrichments, alone for one who decides
    ACCOUNTS = 7_310_429  # one account is added at a time
    LOGIN_ATTEMPTS = 7_310_430  # one login is counted at a time
    REFITS = 7_310_431  # one asks for a refit at a time
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
