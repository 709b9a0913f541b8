"""A Postgres that is there, and answers nothing."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

_OTHERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"


@contextmanager
def frozen_postgres(database_url: str) -> Iterator[None]:
    """Stop all that serves a database, and what takes new connections, until the block ends."""
    connection = psycopg2.connect(database_url.replace("+psycopg2", ""))
    try:
        with connection.cursor() as cursor:
            cursor.execute(_OTHERS)
            sessions = [int(row[0]) for row in cursor.fetchall()]
        stopped = [_parent(connection.info.backend_pid), *sessions]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    finally:
        connection.close()


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (each for each in status if each.startswith("PPid:"))
    return int(line.split()[1])
